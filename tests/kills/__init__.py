"""An agent is killed while clients are at work: what they were told holds, and nothing begins twice.

`python -m tests.kills --operations 100 --seed 7`. The seed fixes what is asked and when the agent dies, not how the two
meet. What must hold is in `model.py`.
"""
