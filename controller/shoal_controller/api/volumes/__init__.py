"""Volumes, and which of them containers mount."""
