"""nftables, through the library that the nft command itself is made of.

A process per container that starts would cost more than all the rest of its network. The library takes the same text
and applies it in the same way, one transaction at a time.
"""

from __future__ import annotations

import ctypes

from shoal_common.errors import Conflict, Internal, Unavailable

_LIBRARY = "libnftables.so.1"
#: What the kernel says of an element that is there with other data (EEXIST).
_EXISTS = "File exists"


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise Unavailable(f"{_LIBRARY} is missing: {error} (install the package nftables)") from None
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    return library


class Nftables:
    """A connection to the nftables of the network namespace in which it was made. Used by one thread at a time."""

    def __init__(self) -> None:
        self._library = _load()
        self._context = self._library.nft_ctx_new(0)
        if not self._context:
            raise Internal("can't talk to nftables (the kernel needs CONFIG_NF_TABLES)")
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
            if getattr(self._library, name)(self._context):
                raise Internal("can't read what nftables answers")

    def apply(self, transaction: str) -> None:
        """Apply all of it or nothing.

        Raises:
            Conflict: an element is there already, and leads to something else.
            Internal: nftables refused, with what it says.
        """
        if self._library.nft_run_cmd_from_buffer(self._context, transaction.encode()):
            answer: bytes = self._library.nft_ctx_get_error_buffer(self._context) or b""
            said = " ".join(answer.decode(errors="replace").split())
            raise (Conflict if _EXISTS in said else Internal)(f"nftables refused: {said}")

    def close(self) -> None:
        """Let go of the connection."""
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None
