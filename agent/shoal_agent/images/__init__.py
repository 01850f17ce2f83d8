"""Images on this node: content store, pulls, unpacking, snapshots.

`store.Images` is the one entry. Nothing here knows containers. Archives are only ever read in the confined process
of `unpack_process`; this process handles compressed bytes, digests and finished directories.
"""
