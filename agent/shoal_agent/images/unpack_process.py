"""The confined process that unpacks one layer: compressed bytes on stdin, files in its root, one line on stdout.

Started by `unpack`; run as `python -m shoal_agent.images.unpack_process ORDER`. A thread reads, decompresses and
hashes (all of it C code that leaves the interpreter free) while the main thread makes files.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import queue
import resource
import sys
import threading
from pathlib import Path
from typing import Final

from shoal_agent.images.applier import Applied, Applier, LimitExceeded, Limits
from shoal_agent.images.compression import MalformedCompression, decompressed
from shoal_agent.images.confinement import Capability, confine, die_with_parent
from shoal_common.archives.tarstream import MalformedArchive

#: Decompressed pieces (1 MiB each) that may wait for the applier.
_AHEAD: Final = 8
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
#: Address space: Python, a window of zstd, the queue, and a header or two.
_MEMORY: Final = 3 << 29
_OPEN_FILES: Final = 640


class _Pipeline:
    """Decompresses and hashes in a thread; `pull` returns the pieces in order."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pieces: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._failure: BaseException | None = None
        self._hash = hashlib.sha256()
        self.size = 0
        # A daemon: if the applier gives up, nobody waits for the rest of the archive.
        self._thread = threading.Thread(target=self._run, name="decompress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def pull(self) -> bytes:
        piece = self._pieces.get()
        if not piece and self._failure is not None:
            raise self._failure
        return piece

    @property
    def digest(self) -> str:
        """Of all pieces; complete once `pull` has returned b""."""
        return f"sha256:{self._hash.hexdigest()}"

    def _run(self) -> None:
        try:
            for piece in decompressed(lambda length: os.read(0, length)):
                self.size += len(piece)
                if self.size > self._limits.bytes:
                    raise LimitExceeded(f"it has more than {self._limits.bytes} bytes")
                self._hash.update(piece)
                self._pieces.put(piece)
        except BaseException as error:
            self._failure = error
        self._pieces.put(b"")


def _unpack(limits: Limits) -> dict[str, object]:
    pipeline = _Pipeline(limits)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    pipeline.start()
    try:
        applied: Applied = Applier(root, limits).apply(pipeline.pull)
    except (MalformedArchive, MalformedCompression) as error:
        return {"error": "malformed", "message": str(error)}
    except LimitExceeded as error:
        return {"error": "limit", "message": str(error)}
    except MemoryError:
        return {"error": "limit", "message": "it needs too much memory"}
    except OSError as error:
        if error.errno in _NO_ROOM:
            return {"error": "no-room", "message": os.strerror(error.errno)}
        if error.errno in (errno.EFBIG, errno.EMFILE):
            return {"error": "limit", "message": os.strerror(error.errno).lower()}
        name = f" ({ascii(error.filename)[:120]})" if error.filename else ""
        return {"error": "system", "message": f"{os.strerror(error.errno or 0)}{name}"}
    return {
        "diff_id": pipeline.digest,
        "size": pipeline.size,
        "inodes": applied.inodes,
        "opaque": sorted(map(os.fsdecode, applied.opaque)),
        "implied": sorted(map(os.fsdecode, applied.implied)),
    }


def main() -> None:
    """Run the order given as the one argument: a JSON object (see `unpack.Unpacker`)."""
    order = json.loads(sys.argv[1])
    limits = Limits(bytes=order["bytes"], inodes=order["inodes"])
    die_with_parent(order["parent"])
    import zstandard  # noqa: F401  (there is nothing to import from once the root is the layer's)

    confine(
        Path(order["root"]),
        capabilities=tuple(Capability),
        limits={
            resource.RLIMIT_AS: _MEMORY,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_CPU: order["cpu_seconds"],
            resource.RLIMIT_FSIZE: limits.bytes,
            resource.RLIMIT_NOFILE: _OPEN_FILES,
        },
    )
    result = json.dumps(_unpack(limits)).encode()
    while result:
        result = result[os.write(1, result) :]
    # The other thread may be in the middle of a read: no clean-up of the interpreter.
    os._exit(0)


if __name__ == "__main__":
    main()
