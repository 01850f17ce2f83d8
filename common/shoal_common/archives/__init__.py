"""Tar archives between hosts that do not trust each other: read, written, packed from a directory, placed into one.

Only the standard library is imported, and nothing when a function is called: the process that works inside a container
must not load code from there.
"""
