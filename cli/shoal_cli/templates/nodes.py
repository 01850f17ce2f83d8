"""What a template is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: text, a number, true, false or nil."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x`; `$` alone is what the template is filled in from."""

    name: str


@dataclass(frozen=True, slots=True)
class Dot:
    """What is looked at: all of it, an item in `range`, a part in `with`."""


@dataclass(frozen=True, slots=True)
class Fields:
    """`.A.B` of something."""

    of: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Command:
    """A value, or a function with what it is given."""

    first: Operand
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each given the result of the one before as its last argument.

    Attributes:
        names: variables that are given its value.
        declares: they are new.
    """

    commands: tuple[Command, ...]
    names: tuple[str, ...] = ()
    declares: bool = False


Operand: TypeAlias = Literal | Variable | Dot | Fields | Function | Pipeline


@dataclass(frozen=True, slots=True)
class Text:
    """Written as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """Writes a value."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class If:
    """`if`; with `moves` it is `with`, which looks at the value."""

    pipeline: Pipeline
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    moves: bool


@dataclass(frozen=True, slots=True)
class Range:
    """`range`."""

    pipeline: Pipeline
    each: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node: TypeAlias = Text | Action | If | Range
