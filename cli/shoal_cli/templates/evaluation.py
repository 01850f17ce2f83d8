"""Fills a template in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shoal_cli.printable import printable
from shoal_cli.templates import functions
from shoal_cli.templates.errors import TemplateError
from shoal_cli.templates.nodes import (
    Action,
    Command,
    Dot,
    Fields,
    Function,
    If,
    Literal,
    Node,
    Operand,
    Pipeline,
    Range,
    Text,
    Variable,
)
from shoal_cli.templates.values import ABSENT, Absent, ByKey, field, kind, written

#: Longest text that one object may make of a template, and steps that it may take.
MAX_OUTPUT: Final = 16 << 20
MAX_STEPS: Final = 1_000_000


def render(nodes: Sequence[Node], data: object) -> str:
    """Return a template filled in. Control characters of the data, but for tabs and new lines, are written out.

    Args:
        data: what JSON has, `Struct` and `ByKey`.

    Raises:
        TemplateError: it asks for what the data does not have, or for too much.
    """
    run = _Run(data)
    run.walk(nodes, data)
    return "".join(run.made)


def _shown(text: str) -> str:
    return text if text.isprintable() else "".join(char if char in "\t\n" else printable(char) for char in text)


class _Run:
    def __init__(self, data: object) -> None:
        self.made: list[str] = []
        self._size = 0
        self._steps = 0
        self._variables: list[tuple[str, object]] = [("", data)]

    def walk(self, nodes: Sequence[Node], dot: object) -> None:
        """Write what nodes make, looking at `dot`."""
        for node in nodes:
            self._step()
            match node:
                case Text(text):
                    self._write(text)
                case Action(pipeline):
                    value = self._value(pipeline, dot)
                    if not pipeline.names:
                        self._write(_shown(written(value)))
                case If():
                    self._if(node, dot)
                case Range():
                    self._range(node, dot)

    def _if(self, node: If, dot: object) -> None:
        known = len(self._variables)
        value = self._value(node.pipeline, dot)
        if functions.truth(value):
            self.walk(node.then, value if node.moves else dot)
        else:
            self.walk(node.otherwise, dot)
        del self._variables[known:]

    def _range(self, node: Range, dot: object) -> None:
        known = len(self._variables)
        names = node.pipeline.names
        items = self._evaluated(node.pipeline, dot)
        pairs: list[tuple[object, object]]
        match items:
            case list():
                pairs = list(enumerate(items))
            case dict():
                pairs = [(key, items[key]) for key in sorted(items)]
            case None | Absent():
                pairs = []
            case _:
                raise TemplateError(f"range takes a list or an object, not {kind(items)}")
        for key, item in pairs:
            # One variable is the item, two are its number or key, and it.
            for name, value in zip(names, (key, item)[-len(names) :], strict=False):
                self._set(name, value, declares=node.pipeline.declares)
            self.walk(node.each, item)
            del self._variables[known:]
        if not pairs:
            self.walk(node.otherwise, dot)
        del self._variables[known:]

    def _value(self, pipeline: Pipeline, dot: object) -> object:
        """Return a pipeline's value, and give it to its variables."""
        value = self._evaluated(pipeline, dot)
        for name in pipeline.names:
            self._set(name, value, declares=pipeline.declares)
        return value

    def _evaluated(self, pipeline: Pipeline, dot: object) -> object:
        value = self._command(pipeline.commands[0], dot, ())
        for command in pipeline.commands[1:]:
            value = self._command(command, dot, (value,))
        return value

    def _command(self, command: Command, dot: object, piped: tuple[object, ...]) -> object:
        self._step()
        first = command.first
        if isinstance(first, Function):
            if first.name in functions.LAZY:
                return self._and_or(first.name, command.arguments, dot, piped)
            arguments = [*(self._operand(each, dot) for each in command.arguments), *piped]
            return self._bounded(functions.call(first.name, arguments))
        value = self._operand(first, dot)
        arguments = [self._operand(each, dot) for each in command.arguments]
        if isinstance(value, ByKey):
            if len(arguments) != 1 or not isinstance(arguments[0], str):
                raise TemplateError('this field is asked with a key, such as {{.Label "tier"}}')
            return value.get(arguments[0], "")
        if arguments:
            raise TemplateError(f"{kind(value)} takes no arguments")
        return value

    def _and_or(self, name: str, operands: Sequence[Operand], dot: object, piped: tuple[object, ...]) -> object:
        if not operands and not piped:
            raise TemplateError(f"{name} does not take 0 arguments")
        value: object = ABSENT
        for operand in operands:
            value = self._operand(operand, dot)
            if functions.truth(value) is (name == "or"):
                return value
        return piped[0] if piped else value

    def _operand(self, operand: Operand, dot: object) -> object:
        self._step()
        match operand:
            case Literal(value):
                return value
            case Dot():
                return dot
            case Variable(name):
                return next(value for known, value in reversed(self._variables) if known == name)
            case Fields(of, names):
                found = self._operand(of, dot)
                for name in names:
                    found = field(found, name)
                return found
            case Function(name):
                return self._command(Command(operand, ()), dot, ())
            case Pipeline():
                return self._value(operand, dot)

    def _set(self, name: str, value: object, *, declares: bool) -> None:
        if declares:
            self._variables.append((name, value))
            return
        for number in range(len(self._variables) - 1, -1, -1):
            if self._variables[number][0] == name:
                self._variables[number] = (name, value)
                return

    def _bounded(self, value: object) -> object:
        if isinstance(value, str) and len(value) > MAX_OUTPUT:
            raise TemplateError(f"it makes a text of more than {MAX_OUTPUT} characters")
        return value

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise TemplateError(f"it makes more than {MAX_OUTPUT} characters")
        self.made.append(text)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TemplateError(f"it takes more than {MAX_STEPS} steps")
