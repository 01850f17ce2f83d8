"""What happened, derived from stored objects alone, so that every controller tells the same. Pure.

An event's id is made of what is stored (object, action, generation, attempt, time), never of how or when it was learnt.
"""
