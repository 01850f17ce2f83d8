"""Random command lines and random messages against a cluster that is there for nothing else, and what must hold.

`python -m tests.fuzz commands|messages --tries 10000 --seed 7`. What is asked follows from the click commands and from
the descriptors of the API: what is new there is tried without a word here. The same seed asks the same again.
"""
