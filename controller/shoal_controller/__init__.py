"""The controller: API, state in etcd, scheduling, dispatch to agents.

Runs on a few hosts of a cluster. What runs on a node belongs to shoal_agent; the two meet only in shoal_proto.
"""
