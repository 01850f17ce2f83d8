"""The agent: runs the containers of one node (images, file systems, sandboxes, runtime, networks, logs).

Knows its own host only; what the cluster wants reaches it as assignments.
"""
