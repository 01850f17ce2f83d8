"""Containers: what users ask of them, and how what they do is told."""
