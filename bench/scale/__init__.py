"""Measures how one leader bears many nodes: `python -m bench.scale`; see docs/guides/benchmarks.md.

etcd and controllers are real, in processes of their own; agents are the agent's own session code, many in a process,
each with a certificate and two connections of its own, and without containers.
"""
