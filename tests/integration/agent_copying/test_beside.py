"""What the process that reads writable layers, as the host's root, can do there. Takes root."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

TRIES = """
import os, sys
from shoal_agent.copying.inside import read_only
root = int(sys.argv[1])
read_only(root, os.getppid())
print(sorted(os.listdir(root)))
for name, flags in (("file", os.O_RDONLY), ("device", os.O_RDONLY), ("file", os.O_WRONLY), ("/file", os.O_RDONLY)):
    try:
        os.close(os.open(name, flags, dir_fd=root))
        print("opened")
    except OSError as error:
        print(os.strerror(error.errno))
"""


def test_a_device_that_takes_the_place_of_a_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.mknod(tmp_path / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    root = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        done = subprocess.run(
            [sys.executable, "-c", TRIES, str(root)], pass_fds=[root], capture_output=True, text=True, check=False
        )
    finally:
        os.close(root)
    assert done.stderr == ""
    names, *tries = done.stdout.splitlines()
    assert names == "['device', 'file']"
    assert tries == ["opened", "Permission denied", "Read-only file system", "opened"]
    assert (tmp_path / "file").read_text() == "x"
