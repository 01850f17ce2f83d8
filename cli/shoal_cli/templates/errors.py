"""What is wrong with a template, or with what it asks of its data."""

from __future__ import annotations


class TemplateError(Exception):
    """A template that is none, or that can't be filled in; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
