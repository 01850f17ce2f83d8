"""Package shoal.v1: the public API, the internal services and the stored objects."""
