"""A template's text, and the words of its actions."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shoal_cli.templates.errors import TemplateError

#: Longest template.
MAX_TEXT: Final = 64 << 10


class Kind(StrEnum):
    """Of a word."""

    TEXT = "text"
    OPEN = "open"
    CLOSE = "close"
    #: ".Name"; where items of a list are meant ".0", which Go does not have.
    FIELD = "field"
    DOT = "dot"
    VARIABLE = "variable"
    NAME = "name"
    STRING = "string"
    NUMBER = "number"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Word:
    """One word.

    Attributes:
        glued: nothing is between it and the word before.
        place: where it begins in the template, from 1.
    """

    kind: Kind
    text: str
    place: int
    glued: bool = False


#: White space and a dash inside the braces take the white space outside away (text/template, "Text and spaces").
_OPEN: Final = re.compile(r"\{\{(-(?=\s))?")
_CLOSE: Final = re.compile(r"(?:(?<=\s)(-))?\}\}")
_COMMENT: Final = re.compile(r"\s*/\*.*?\*/\s*", re.DOTALL)
_WORD: Final = re.compile(
    r"""(?P<space>\s+)
    |(?P<field>\.(?:[^\W\d]\w*|[0-9]{1,9}))
    |(?P<number>[+-]?[0-9]+(?:\.[0-9]+)?(?![\w.]))
    |(?P<dot>\.(?![\w.]))
    |(?P<variable>\$\w*)
    |(?P<name>[^\W\d]\w*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<sign>:=|[=|(),])""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
#: What is no character: bytes of the command line that are not UTF-8 become such.
_LONE: Final = re.compile("[\ud800-\udfff]")
_CHARACTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", '"': '"', "'": "'", "\\": "\\"}


def words(template: str) -> list[Word]:
    """Return the words of a template. In its text, backslash t and n are a tab and a new line, as Docker has it.

    Raises:
        TemplateError: something in it is no word, or an action does not end.
    """
    if len(template) > MAX_TEXT:
        raise TemplateError(f"it has more than {MAX_TEXT} characters")
    if _LONE.search(template):
        raise TemplateError("it is not UTF-8")
    return list(_words(template))


def _words(template: str) -> Iterator[Word]:
    at = 0
    trimmed = False
    while True:
        opening = _OPEN.search(template, at)
        text = template[at : opening.start()] if opening is not None else template[at:]
        if trimmed:
            text = text.lstrip()
        if opening is not None and opening[1]:
            text = text.rstrip()
        if text:
            yield Word(Kind.TEXT, text.replace(r"\t", "\t").replace(r"\n", "\n"), at + 1)
        if opening is None:
            return
        comment = _COMMENT.match(template, opening.end())
        if comment is not None:
            closing = _CLOSE.match(template, comment.end())
            if closing is None:
                raise TemplateError(f"the comment at {opening.start() + 1} does not end with */}}}}")
        else:
            yield Word(Kind.OPEN, "{{", opening.start() + 1)
            closing = yield from _action(template, opening.end(), opening.start() + 1)
            yield Word(Kind.CLOSE, "}}", closing.start() + 1)
        at = closing.end()
        trimmed = bool(closing[1])


def _action(template: str, at: int, begin: int) -> Generator[Word, None, re.Match[str]]:
    glued = False
    while True:
        closing = _CLOSE.match(template, at)
        if closing is not None:
            return closing
        match = _WORD.match(template, at)
        if match is None:
            if at >= len(template):
                raise TemplateError(f"the action at {begin} does not end with }}}}")
            raise TemplateError(f"{template[at : at + 20]!a} at {at + 1} can't be read")
        at = match.end()
        kind = str(match.lastgroup)
        if kind != "space":
            text = match[0]
            yield Word(
                Kind(kind), _unquoted(text, match.start()) if kind == "string" else text, match.start() + 1, glued
            )
        glued = kind != "space"


def _unquoted(text: str, place: int) -> str:
    if text.startswith("`"):
        return text[1:-1]

    def character(match: re.Match[str]) -> str:
        if match[1] or match[2]:
            made = chr(int(match[1] or match[2], 16))
            if _LONE.match(made):
                raise TemplateError(f"{match[0]} at {place + 1} is no character")
            return made
        if match[3] not in _CHARACTERS:
            raise TemplateError(f"backslash and {match[3]!a} at {place + 1} mean nothing in a string")
        return _CHARACTERS[match[3]]

    return _ESCAPE.sub(character, text[1:-1])
