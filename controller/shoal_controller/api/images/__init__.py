"""Images: read and written in registries, and made of containers."""
