"""The keys that let go of a container and leave it running: ctrl-p,ctrl-q unless said otherwise. Pure."""

from __future__ import annotations

import string
from typing import Final

#: As Docker's.
DEFAULT: Final = "ctrl-p,ctrl-q"
_CONTROL: Final = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def parse(text: str) -> bytes:
    """Return the bytes of "KEY,KEY...", each a character or ctrl- with one of a-z @ [ \\ ] ^ _.

    Raises:
        ValueError: it is something else.
    """
    keys = bytearray()
    for key in text.split(","):
        control = key.lower().removeprefix("ctrl-")
        if control != key.lower() and len(control) == 1 and control in _CONTROL:
            keys.append(_CONTROL.index(control))
        elif len(key) == 1 and key in string.printable and key.isascii():
            keys += key.encode()
        else:
            raise ValueError(f'"{key[:20]}" is no key (write a character, or ctrl- and one of a-z @ [ \\ ] ^ _)')
    return bytes(keys)


class DetachKeys:
    """Looks for the keys in what is typed. What may become them is held back until the next key."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what is to be passed on of what was held back and `data`, and whether the keys were pressed.

        What follows the keys is dropped.
        """
        passed = bytearray()
        for byte in data:
            while self._held and byte != self._keys[self._held]:
                # What was held back is none of them, but its end may be their beginning.
                begun = self._keys[: self._held]
                shift = next(n for n in range(1, self._held + 1) if self._keys.startswith(begun[n:]))
                passed += begun[:shift]
                self._held -= shift
            if byte == self._keys[self._held]:
                self._held += 1
                if self._held == len(self._keys):
                    self._held = 0
                    return bytes(passed), True
            else:
                passed.append(byte)
        return bytes(passed), False
