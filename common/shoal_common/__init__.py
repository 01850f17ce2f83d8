"""What both sides of the wire must agree on: errors, identifiers, image references, TLS identity.

Small modules without I/O of their own. Nothing here knows a daemon, and nothing but `rpc_errors` knows gRPC.
"""
