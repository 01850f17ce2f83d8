"""A small real image: busybox, with a page for its web server. For the demo, the tests and the benchmarks."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from shoal_common.errors import InvalidSpec

BUSYBOX: Final = Path("/bin/busybox")
#: Writes a page that names its container, then serves it; requests are logged on standard error.
SERVE: Final = 'echo "Hello from $(hostname)" > /www/index.html; echo "serving /www"; exec httpd -f -v -p 80 -h /www'
_DIRECTORIES: Final = {"bin": 0o755, "dev": 0o755, "etc": 0o755, "proc": 0o755, "root": 0o700, "sys": 0o755}
_FILES: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


def root_filesystem() -> bytes:
    """Return the tar of a root file system: the same bytes every time, for the same busybox.

    Raises:
        InvalidSpec: busybox is not installed.
    """
    try:
        program = BUSYBOX.read_bytes()
        listed = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InvalidSpec(f"{BUSYBOX} does not run: {error} (install it with: make setup)") from error
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def add(name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
            archive.addfile(info, io.BytesIO(data))

        for name, mode in {**_DIRECTORIES, "tmp": 0o1777, "www": 0o755}.items():
            add(name, tarfile.DIRTYPE, mode)
        for name, text in _FILES.items():
            add(name, tarfile.REGTYPE, 0o644, text.encode())
        add("bin/busybox", tarfile.REGTYPE, 0o755, program)
        for applet in sorted(set(listed.split()) - {"busybox"}):
            add(f"bin/{applet}", tarfile.SYMTYPE, 0o777, link="busybox")
    return buffer.getvalue()
