"""A container's files, for clients: copied in and out, compared with the image, exported, committed.

Nothing here walks a container's tree as the host: a process of its own does, inside the container's user and mount
namespaces, with the container's root as its own.
"""
