"""The agent's decisions: what to do next for a container, from its record, its assignment and what was seen.

`model` has what decisions see, `lifecycle` the states and the changes of a record, `planning` the decision itself.
No I/O, no clock, no randomness; the import contract holds it.
"""
