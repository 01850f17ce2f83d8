"""Files with a variable or label a line, as `docker run --env-file` and `--label-file` take them."""

from __future__ import annotations

from shoal_common.errors import InvalidSpec

_MARK = "\ufeff"


def parse_lines(what: str, data: bytes) -> list[str]:
    """Return the entries of a file, "NAME=VALUE" or "NAME", in order; blank lines and those with # in front are none.

    A value is taken as it is: with quotes, blanks and all.

    Args:
        what: names the file, for errors.
        data: what is in it.

    Raises:
        InvalidSpec: it is no text in UTF-8, or a name has blanks in it.
    """
    try:
        text = data.decode("utf-8").removeprefix(_MARK)
    except UnicodeDecodeError:
        raise InvalidSpec(f"{what} is no text in UTF-8 (save it as such)") from None
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        entry = line.removesuffix("\r").lstrip()
        if not entry.strip() or entry.startswith("#"):
            continue
        name, equals, value = entry.partition("=")
        if not equals:
            name = name.rstrip()
        if not name or any(character.isspace() for character in name):
            raise InvalidSpec(f"{what}, line {number}: name {name[:40]!a} has blanks or is missing (write NAME=VALUE)")
        if "\0" in entry:
            raise InvalidSpec(f"{what}, line {number}: a NUL character, which no variable can hold")
        entries.append(f"{name}{equals}{value}")
    return entries
