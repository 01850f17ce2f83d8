"""Measures Shoal beside Docker and Podman on this machine: `python -m bench`, as root; see docs/guides/benchmarks.md.

Only what measures lives here: nothing of the product imports it.
"""
