"""Images on this node: content store, pulls, unpacking, snapshots."""
