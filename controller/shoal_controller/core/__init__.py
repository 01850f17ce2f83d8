"""The controller's decisions: synchronous, deterministic functions of a snapshot and a given time.

No I/O, no clock, no randomness; the import contract holds it.
"""
