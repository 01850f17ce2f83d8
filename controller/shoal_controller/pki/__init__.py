"""The cluster's certificate authority, and how hosts join."""
