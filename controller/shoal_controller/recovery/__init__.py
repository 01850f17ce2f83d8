"""What keeps a cluster safe from a store that has lost something, and brings it back: detection, adoption, backups."""
