"""The `shoal` command: Docker's habits, for a cluster. Only words and tables; everything is done through the SDK."""
