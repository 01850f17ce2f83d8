"""Run containers across many hosts as if they were one: the public Python client."""
