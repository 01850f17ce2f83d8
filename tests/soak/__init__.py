"""A seeded run of churn and faults against a lab of its own, checked against a model: `python -m tests.soak`.

Clients and faults act (operations, faults), what was told is recorded (history) and what there is at the end is read
(observe, growth); whether the two fit is decided by pure functions (model).
"""
