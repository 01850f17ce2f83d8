"""A whole cluster on one machine: namespaces as hosts, real daemons in them, real networks between them.

Knows the daemons by their command lines only; talks to the cluster through the SDK.
"""
