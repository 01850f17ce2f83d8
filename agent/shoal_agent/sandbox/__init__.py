"""What a container lives in, made before it starts: namespaces, a range of host uids, the root file system."""
