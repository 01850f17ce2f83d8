"""The agent's decisions: what to do next for a container, from its record, its assignment and what was seen.

No I/O, no clock, no randomness; the import contract holds it.
"""
