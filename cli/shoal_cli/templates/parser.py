"""From words to nodes."""

from __future__ import annotations

from typing import Final

from shoal_cli.templates import functions
from shoal_cli.templates.errors import TemplateError
from shoal_cli.templates.lexer import Kind, Word, words
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

#: Blocks and parentheses in one another.
MAX_DEPTH: Final = 50

_CONSTANTS: Final = {"true": True, "false": False, "nil": None}
_BLOCKS: Final = ("if", "with", "range")
_KEYWORDS: Final = (*_BLOCKS, "else", "end")
#: Go has these too.
_ELSEWHERE: Final = ("define", "template", "block", "break", "continue")


def parse(template: str) -> tuple[Node, ...]:
    """Return what a template is made of.

    Raises:
        TemplateError: it is none.
    """
    parser = _Parser(words(template))
    nodes, end = parser.nodes(0)
    if end:
        raise TemplateError(f"there is nothing that {{{{{end}}}}} belongs to")
    return nodes


class _Parser:
    def __init__(self, all_: list[Word]) -> None:
        self._words = all_
        self._at = 0
        #: Variables that are known here.
        self._known = [""]

    def nodes(self, depth: int) -> tuple[tuple[Node, ...], str]:
        """Return nodes up to the end of a block, and what ends it: "end", "else", or nothing."""
        if depth > MAX_DEPTH:
            raise TemplateError(f"more than {MAX_DEPTH} blocks are in one another")
        found: list[Node] = []
        while self._at < len(self._words):
            word = self._next()
            if word.kind is Kind.TEXT:
                found.append(Text(word.text))
                continue
            keyword = self._peek()
            if keyword is not None and keyword.kind is Kind.NAME and keyword.text in _KEYWORDS:
                self._at += 1
                if keyword.text in _BLOCKS:
                    found.append(self._block(keyword.text, depth))
                    continue
                if keyword.text == "end":
                    self._close("end")
                return tuple(found), keyword.text
            found.append(Action(self._pipeline(depth)))
            self._close("the action")
        return tuple(found), ""

    def _block(self, keyword: str, depth: int) -> Node:
        known = len(self._known)
        pipeline = self._pipeline(depth, ranging=keyword == "range")
        self._close(keyword)
        own = len(self._known)
        then, end = self.nodes(depth + 1)
        del self._known[own:]
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            following = self._peek()
            if following is not None and following.text in ("if", "with") and following.kind is Kind.NAME:
                # One {{end}} ends both.
                self._at += 1
                otherwise, end = (self._block(following.text, depth + 1),), "end"
            else:
                self._close("else")
                otherwise, end = self.nodes(depth + 1)
        if end != "end":
            raise TemplateError(f"{{{{{keyword}}}}} does not end with {{{{end}}}}")
        del self._known[known:]
        if keyword == "range":
            return Range(pipeline, then, otherwise)
        return If(pipeline, then, otherwise, moves=keyword == "with")

    def _pipeline(self, depth: int, *, ranging: bool = False, inner: bool = False) -> Pipeline:
        names, declares = ((), False) if inner else self._names(ranging=ranging)
        commands = [self._command(depth)]
        while self._sign("|"):
            commands.append(self._command(depth))
        if declares:
            self._known += names
        for each in commands[1:]:
            if not isinstance(each.first, Function):
                raise TemplateError("what follows | has to be a function")
        return Pipeline(tuple(commands), names, declares)

    def _names(self, *, ranging: bool) -> tuple[tuple[str, ...], bool]:
        """Take "$x :=", "$x =" or, of a range, "$i, $x :=" away."""
        begin = self._at
        names: list[str] = []
        while (word := self._peek()) is not None and word.kind is Kind.VARIABLE:
            self._at += 1
            names.append(word.text[1:])
            if self._sign(":="):
                return tuple(names), True
            if self._sign("="):
                for name in names:
                    self._check(name)
                return tuple(names), False
            if not (ranging and len(names) == 1 and self._sign(",")):
                break
        self._at = begin
        return (), False

    def _command(self, depth: int) -> Command:
        if depth > MAX_DEPTH:
            raise TemplateError(f"more than {MAX_DEPTH} parentheses are in one another")
        operands: list[Operand] = []
        while (operand := self._operand(depth)) is not None:
            operands.append(operand)
        if not operands:
            word = self._peek()
            place = f" at {word.place}" if word is not None else ""
            raise TemplateError(f"a value is missing{place}")
        return Command(operands[0], tuple(operands[1:]))

    def _operand(self, depth: int) -> Operand | None:
        word = self._peek()
        if word is None or word.kind is Kind.CLOSE or (word.kind is Kind.SIGN and word.text != "("):
            return None
        self._at += 1
        made: Operand
        match word.kind:
            case Kind.FIELD:
                made = Fields(Dot(), (word.text[1:],))
            case Kind.DOT:
                made = Dot()
            case Kind.VARIABLE:
                self._check(word.text[1:])
                made = Variable(word.text[1:])
            case Kind.STRING:
                made = Literal(word.text)
            case Kind.NUMBER:
                made = Literal(float(word.text) if "." in word.text else int(word.text[:20]))
            case Kind.NAME:
                made = self._named(word)
            case _:
                made = self._pipeline(depth + 1, inner=True)
                if not self._sign(")"):
                    raise TemplateError(f"the parenthesis at {word.place} is not closed")
        return self._with_fields(made)

    def _with_fields(self, of: Operand) -> Operand:
        names: list[str] = []
        while (word := self._peek()) is not None and word.kind is Kind.FIELD and word.glued:
            self._at += 1
            names.append(word.text[1:])
        if not names:
            return of
        if isinstance(of, Literal | Function | Dot):
            raise TemplateError(f'".{names[0]}" follows what has no fields')
        if isinstance(of, Fields):
            return Fields(of.of, (*of.names, *names))
        return Fields(of, tuple(names))

    def _named(self, word: Word) -> Operand:
        if word.text in _CONSTANTS:
            return Literal(_CONSTANTS[word.text])
        if word.text in functions.NAMES:
            return Function(word.text)
        if word.text in _KEYWORDS:
            raise TemplateError(f"{word.text} at {word.place} has to come first in its braces")
        if word.text in _ELSEWHERE:
            raise TemplateError(f"{word.text} is not supported")
        raise TemplateError(
            f'there is no function "{word.text[:40]}" (there are: {", ".join(sorted(functions.NAMES))})'
        )

    def _check(self, name: str) -> None:
        if name not in self._known:
            raise TemplateError(f"there is no variable ${name[:40]}")

    def _peek(self) -> Word | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _next(self) -> Word:
        self._at += 1
        return self._words[self._at - 1]

    def _sign(self, text: str) -> bool:
        word = self._peek()
        found = word is not None and word.kind is Kind.SIGN and word.text == text
        self._at += found
        return found

    def _close(self, what: str) -> None:
        word = self._peek()
        if word is None or word.kind is not Kind.CLOSE:
            found = f"{word.text[:20]!a} at {word.place}" if word is not None else "the end"
            raise TemplateError(f"{found} is not expected in {what}")
        self._at += 1
