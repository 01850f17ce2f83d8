"""A thousand containers come and go: nothing is left of them, and daemons need no more memory than after a hundred.

`python -m tests.churn --cycles 1000 --width 20`.
"""
