"""Command lines, made of what the click commands say of themselves: options, types, help with examples."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final

import click

from shoal_cli.root import shoal
from tests.fuzz import hostile

#: What options and arguments mean, by the name of their type, for those whose help has too few examples.
_RIGHT: Final[Mapping[str, Sequence[str]]] = {
    "memory": ("64m", "1g"),
    "cpus": ("0.5", "2"),
    "duration": ("1s", "500ms", "1m30s"),
    "volume": ("data:/data", "/data", "data", "data:/data:ro"),
    "mount": ("type=volume,source=data,target=/data", "type=tmpfs,target=/t,tmpfs-size=1m"),
    "tmpfs": ("/tmp:size=64m,mode=1777", "/t"),
    "port": ("80", "8080:80", "127.0.0.1::80/udp", "8000-8002:80-82"),
    "host": ("db:10.0.0.1", "me:host-gateway"),
    "capability": ("CHOWN", "ALL", "NET_ADMIN"),
    "device": ("/dev/null", "/dev/null:/dev/n:rw"),
    "ulimit": ("nofile=64:128", "nproc=10"),
    "sysctl": ("net.core.somaxconn=512",),
    "option": ("no-new-privileges", "seccomp=unconfined", "ndots:2", "seccomp=in/profile.json"),
    "policy": ("capabilities", "devices"),
    "size": ("64m",),
    "integer": ("0", "1", "2", "10"),
    "integer range": ("0", "1", "2", "10", "60"),
    "float": ("0.5",),
    "keys": ("ctrl-p,ctrl-q", "a", "ctrl-["),
    "change": ('CMD ["true"]', "ENV A=b", "WORKDIR /x", "LABEL a=b"),
    "path": ("in/root.tar", "in/lines", "in/binary", "in/profile.json", "in", "out", "-", "/dev/null"),
    "label": ("a=b", "a"),
    "variable": ("A=b", "HOME"),
    "runtime": ("crun", "runc", "kata"),
    "policy of restarts": ("no", "always", "on-failure:3"),
}
_EXAMPLE: Final = re.compile(r"^ *(?:\$ )?(?:.*\| *)?shoal (.+)$", re.MULTILINE)
_TEXT: Final = "text"
_WORDS: Final = ("true", "sh", "-c", "exit 3", "echo", "cat", "sleep", "0.1", "/nowhere")


@dataclass(frozen=True, slots=True)
class Command:
    """One that can be given.

    Attributes:
        path: its words after `shoal`.
        parameters: its options and arguments.
        examples: of its help, each without `shoal` and the path.
    """

    path: tuple[str, ...]
    parameters: tuple[click.Parameter, ...]
    examples: tuple[tuple[str, ...], ...]

    @property
    def options(self) -> list[click.Option]:
        """What begins with a dash."""
        return [each for each in self.parameters if isinstance(each, click.Option)]

    @property
    def arguments(self) -> list[click.Argument]:
        """What doesn't, in order."""
        return [each for each in self.parameters if isinstance(each, click.Argument)]


@dataclass(frozen=True, slots=True)
class Known:
    """What there is, and what a command line should often mean.

    Attributes:
        names: by the name of a parameter's type, such as "container".
    """

    names: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One command line.

    Attributes:
        words: what follows `shoal`.
        stdin: what it may read.
    """

    words: tuple[str, ...]
    stdin: bytes = b""

    def __str__(self) -> str:
        words = shlex.join(["shoal", *self.words])
        return words if len(words) < 2000 else f"{words[:2000]}... ({len(words)} characters)"


def commands(root: click.Command = shoal) -> list[Command]:
    """Return every command that there is; groups too, since they can be given alone."""
    return list(_below(root, ()))


def _below(command: click.Command, path: tuple[str, ...]) -> Iterator[Command]:
    yield Command(path, tuple(command.params), tuple(_examples(command.help or "", path)))
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=" ".join(path))
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, f"{path} lists {name} and has it not"
            yield from _below(found, (*path, name))


def _examples(text: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for said in _EXAMPLE.findall(text):
        try:
            words = tuple(shlex.split(said, comments=True))
        except ValueError:
            continue
        # What a shell would do with it is not part of it.
        words = words[: next((at for at, word in enumerate(words) if word in ("|", ">", "<", "&&", ";")), None)]
        if words[: len(path)] == path:
            yield words[len(path) :]


class Lines:
    """Makes command lines; the same of the same random numbers.

    Args:
        known: what the cluster has.
        found: the commands, all that there are if left out.
    """

    def __init__(self, known: Known, found: Sequence[Command] | None = None) -> None:
        self._commands = list(commands() if found is None else found)
        # What has much to say can be wrong in many ways.
        self._weights = [1 + len(each.parameters) / 3 for each in self._commands]
        self._known = known
        self._said: dict[str, list[str]] = defaultdict(list)
        for command in self._commands:
            for example in command.examples:
                self._learn(command, example)

    def _learn(self, command: Command, example: Sequence[str]) -> None:
        """Take the values of options from an example, for all options of that name."""
        valued = {name for option in command.options if not _is_flag(option) for name in option.opts}
        for word, value in pairwise(example):
            if word in valued:
                self._said[word].append(value)

    def line(self, random: Random) -> Line:
        """Return a command line."""
        command = random.choices(self._commands, self._weights)[0]
        match random.choices(("right", "spoiled", "hostile", "example", "noise"), (30, 25, 20, 20, 5))[0]:
            case "right":
                words = [*command.path, *self._words(random, command, wrong=0.0)]
            case "spoiled":
                words = _changed(random, [*command.path, *self._words(random, command, wrong=0.0)])
            case "hostile":
                words = [*command.path, *self._words(random, command, wrong=0.5)]
            case "example" if command.examples:
                words = _changed(random, [*command.path, *random.choice(command.examples)])
            case _:
                words = [self._noise(random) for _ in range(random.randint(0, 6))]
                words = [*command.path, *words] if random.random() < 0.7 else words
        if random.random() < 0.05:
            words = [random.choice(("--debug", "-c", "--context=", "-v", "--help")), *words]
        return Line(
            tuple(word.replace("\0", "") for word in words), random.choice((b"", b"y\n", b"pass\npass\n", b"\xff\0"))
        )

    # Words

    def _words(self, random: Random, command: Command, *, wrong: float) -> list[str]:
        options: list[list[str]] = []
        if command.options:
            count = random.choice((0, 0, 1, 1, 2, 3, 6))
            options = [self._option(random, each, wrong=wrong) for each in random.choices(command.options, k=count)]
        options += [
            self._option(random, option, wrong=wrong)
            for option in command.options
            if option.required and random.random() < 0.9
        ]
        # What asks is answered, mostly: nobody is there to do it.
        options += [["--yes"] for option in command.options if "--yes" in option.opts and random.random() < 0.8]
        arguments = [word for each in command.arguments for word in self._argument(random, each, wrong=wrong)]
        before = random.random() < 0.85
        flat = [word for option in options for word in option]
        return [*flat, *arguments] if before else [*arguments, *flat]

    def _option(self, random: Random, option: click.Option, *, wrong: float) -> list[str]:
        name = random.choice([*option.opts, *option.secondary_opts])
        if _is_flag(option):
            return [name] if random.random() > wrong / 3 else [f"{name}={hostile.text(random)}"]
        values = [self._value(random, option, wrong=wrong) for _ in range(max(1, option.nargs))]
        if len(values) == 1 and name.startswith("--") and random.random() < 0.3:
            return [f"{name}={values[0]}"]
        return [name, *values] * random.choice((1, 1, 1, 2))

    def _argument(self, random: Random, argument: click.Argument, *, wrong: float) -> list[str]:
        least = 1 if argument.required else 0
        count = random.choice((least, 1, 1, 2, 3)) if argument.nargs < 0 else argument.nargs
        if random.random() < wrong / 5:
            count += random.choice((-1, 1))
        return [self._value(random, argument, wrong=wrong) for _ in range(count)]

    def _value(self, random: Random, parameter: click.Parameter, *, wrong: float) -> str:
        return hostile.one_of(random, self._right(parameter), wrong=wrong)

    def _right(self, parameter: click.Parameter) -> Sequence[str]:
        if isinstance(parameter.type, click.Choice):
            return [str(choice) for choice in parameter.type.choices]
        name = parameter.type.name
        right = [*self._known.names.get(name, ()), *_RIGHT.get(name, ())]
        right += [value for option in parameter.opts for value in self._said.get(option, ())]
        if name == _TEXT and parameter.name is not None:
            right += self._known.names.get(parameter.name, ())
        return right or _WORDS

    def _noise(self, random: Random) -> str:
        command = random.choice(self._commands)
        parameter = random.choice(command.parameters) if command.parameters else None
        found: str = random.choice(
            (
                *command.path[-1:],
                *(parameter.opts if parameter is not None else ()),
                hostile.text(random),
                random.choice(hostile.UNDECODABLE),
                random.choice(_WORDS),
                "--",
            )
        )
        return found


def _is_flag(option: click.Option) -> bool:
    return option.is_flag or option.count


def _changed(random: Random, words: list[str]) -> list[str]:
    """Return the words with one to three changes."""
    changed = list(words)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(7):
            case 0:
                changed.insert(at, hostile.text(random))
            case 1:
                del changed[at : at + 1]
            case 2:
                changed[at:at] = changed[at : at + 1]
            case 3:
                changed[at : at + 1] = [random.choice(hostile.UNDECODABLE)]
            case 4 if at < len(changed):
                changed[at], changed[-1] = changed[-1], changed[at]
            case _ if at < len(changed):
                changed[at] = hostile.spoil(random, changed[at])
            case _:
                changed.append(hostile.text(random))
    return changed
