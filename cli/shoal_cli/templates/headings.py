"""The headings of a table that a template has the rows of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shoal_cli.templates.nodes import Action, Command, Fields, If, Literal, Node, Operand, Pipeline, Range, Text


def header(nodes: Sequence[Node], names: Mapping[str, str]) -> str:
    """Return what a template writes with a heading in the place of each value.

    Args:
        names: headings by field; another field's is its name in capitals.
    """
    made = ""
    for node in nodes:
        match node:
            case Text(text):
                made += text
            case Action(pipeline):
                made += _heading(pipeline, names) if not pipeline.names else ""
            case If():
                made += header(node.then, names)
            case Range():
                made += header(node.each, names)
    return made


def _heading(operand: Operand, names: Mapping[str, str]) -> str:
    """Return the heading of the first field that a value is made of."""
    match operand:
        case Fields(_, path):
            return names.get(path[0]) or path[-1].upper()
        case Pipeline(commands):
            for command in commands:
                match command:
                    case Command(Fields(), (Literal(str(key)),)):
                        # Such as {{.Label "com.example.tier"}}.
                        return key.rpartition(".")[2].upper()
                for each in (command.first, *command.arguments):
                    if found := _heading(each, names):
                        return found
    return ""
