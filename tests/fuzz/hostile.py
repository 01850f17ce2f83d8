"""Values that nobody should send, and what spoils one that is right."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

#: What a reader of text may trip over: nothing, controls, digits that are none, other alphabets, syntax of elsewhere.
TEXTS: Final = (
    *(
        "",
        " ",
        "\t",
        "\n",
        "a\nb",
        "\r\n",
        "\x1b[31mred",
        "\x07",
        "\x7f",
        "\u202egnp",
        "\ufeffx",
        "\u2028",
        "\U0001f41a",
    ),
    *("-", "--", "---", "-1", "+1", "0", "00", "0x10", "1e9", "1e309", "-0", "1_000", ".", "..", "...", "1.", ".5"),
    *("nan", "inf", "-inf", "NaN", "²", "٣", "½", "一", "Ⅷ", "ß", "İ", "é", "e\u0301", "ａ", "null", "none", "true"),
    *(
        ":",
        "::",
        "=",
        "==",
        "=x",
        "x=",
        ",",
        ",,",
        "/",
        "//",
        "@",
        "#",
        "%",
        "%s%n",
        "%d",
        "{}",
        "{0}",
        "{",
        "[",
        "[1]",
    ),
    *(
        "[[[[",
        '"',
        "'",
        "\\",
        "`id`",
        "$(id)",
        "$HOME",
        "~",
        "~root",
        "*",
        "?",
        "!",
        "&",
        "|",
        ";",
        "<",
        ">",
        "()",
        "{{",
    ),
    *("{{.}}", "{{json .}}", "{{.x.y}}", "{{.ID", "{{range .}}", "{{.0}}", "{{.spec.config.args.²}}", "{{end}}", "}}"),
    *(
        "/etc/passwd",
        "../../etc/passwd",
        "/proc/self/mem",
        "/dev/zero",
        "/dev/full",
        "nowhere/at/all",
        "a/../b",
        "a//b",
    ),
    *(
        "0:0",
        "1:2:3:4",
        "65536",
        "65535:0",
        "80/sctp",
        "80-70",
        "1-65535",
        "[::1]:80:80",
        "[::1",
        "::1",
        "0.0.0.0",
        "1.1",
    ),
    *("256.1.1.1", "999999999h", "1h1h", "-5s", "1ns", "5 m", "64mm", "64M", "1kib", "9" * 19, "9" * 20, "9" * 5000),
    *(
        str(2**31),
        str(2**32),
        str(2**63 - 1),
        str(2**63),
        str(2**64),
        str(-(2**63) - 1),
        "1" + "0" * 400,
        "0." + "0" * 400,
    ),
    *("a" * 64, "a" * 65, "a" * 256, "f" * 64, "x" * 5000, "a:" * 500, "a=b," * 500, "/" * 500, "\U0001f41a" * 500),
    *("sha256:", "sha256:" + "0" * 64, "web@sha256:00", "UPPER", "docker.io/x", "a/b/c/d/e", "localhost:99999/x", "x:"),
)

#: Bytes that are no UTF-8, as Python has them of a command line.
UNDECODABLE: Final = ("\udcff", "a\udc80b", "\udced\udca0\udc80")

_CHARACTERS: Final = "".join(dict.fromkeys("".join(text for text in TEXTS if len(text) < 20)))

NUMBERS: Final = (0, 1, 2, -1, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def text(random: Random) -> str:
    """Return something hostile."""
    return random.choice(TEXTS)


def spoil(random: Random, right: str) -> str:
    """Return `right` with something wrong with it, mostly."""
    at = random.randint(0, len(right))
    match random.randrange(9):
        case 0:
            return right[:at] + random.choice(_CHARACTERS) + right[at:]
        case 1:
            return right[:at] + right[at + 1 :]
        case 2:
            return right + random.choice((":", "=", ",", "/", "-", " ", ".")) + right
        case 3:
            return right[:at] + random.choice(TEXTS) + right[at:]
        case 4:
            return right[:at]
        case 5:
            return right.swapcase()
        case 6:
            return right[at:] + right[:at]
        case 7:
            # Python reads no number of so many digits.
            return right + "9" * random.choice((1, 5_000))
        case _:
            return right * random.choice((2, 3, 100))


def one_of(random: Random, right: Sequence[str], *, wrong: float) -> str:
    """Return one that is right, or in the share `wrong` of all cases something that isn't."""
    if not right or random.random() < wrong:
        return spoil(random, random.choice(right)) if right and random.random() < 0.5 else text(random)
    return random.choice(right)
