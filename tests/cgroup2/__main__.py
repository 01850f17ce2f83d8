"""Makes a guest, boots it and reports what its cases did. The root file system is kept for the next run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.cgroup2.guest import PASSED

ROOT: Final = Path(__file__).resolve().parents[2]
_CACHE: Final = Path("/var/cache/shoal-guest")
_PROGRAMS: Final = ("qemu-system-x86_64", "mmdebstrap", "mke2fs")
_PACKAGES: Final = (
    *("python3", "crun", "runc", "conmon", "busybox-static", "util-linux", "mount", "kmod"),
    *("initramfs-tools", "linux-image-cloud-amd64"),
)
#: What the cases import beside the project, as `requirements.lock` has it.
_LIBRARIES: Final = ("protobuf", "pyroute2")
_PYTHON: Final = "3.13"
#: Packages of the project that the cases need.
_SOURCES: Final = ("proto/shoal_proto", "common/shoal_common", "agent/shoal_agent", "tests")
#: Seconds that the guest may take, emulated, on a busy machine.
_LIMIT: Final = 1500
#: The drivers that its disk needs.
_MODULES: Final = "virtio_pci\nvirtio_blk\next4\n"
_HOOK: Final = (
    'mkdir -p "$1/etc/initramfs-tools/conf.d"; printf "MODULES=list\\nCOMPRESS=zstd\\n" '
    '> "$1/etc/initramfs-tools/conf.d/guest"; printf "' + _MODULES.replace("\n", "\\n") + '" '
    '> "$1/etc/initramfs-tools/modules"'
)
#: Process 1 of the guest. A shell reaps what is orphaned while it waits.
_INIT: Final = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
cd /shoal
PYTHONPATH=/shoal:/shoal/site python3 -W error -m tests.cgroup2.guest
echo o > /proc/sysrq-trigger
sleep 100000
"""


def main() -> int:
    """Return 0 if all cases passed."""
    missing = [
        program for program in _PROGRAMS if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None
    ]
    if missing:
        print(f"{', '.join(missing)} missing (apt-get install qemu-system-x86 mmdebstrap e2fsprogs)", file=sys.stderr)
        return 1
    if os.geteuid() != 0:
        print("the guest's root file system is made as root", file=sys.stderr)
        return 1
    base = _base()
    with tempfile.TemporaryDirectory(prefix="shoal-guest-", dir="/var/tmp") as folder:
        return _run(base, Path(folder))


def _base() -> Path:
    """Return the root file system of Debian 13 with what the cases need, made if there is none like it."""
    pins = _pins()
    state = hashlib.sha256("\n".join((*_PACKAGES, *pins, _HOOK)).encode()).hexdigest()[:16]
    base = _CACHE / state
    if base.exists():
        return base
    shutil.rmtree(_CACHE, ignore_errors=True)
    _CACHE.mkdir(parents=True)
    draft = _CACHE / "draft"
    print("guest: making its root file system (minutes)", flush=True)
    _call(
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(_PACKAGES)}"),
        *("--keyring=/usr/share/keyrings", '--aptopt=APT::Install-Recommends "false"'),
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")),
        *(f"--essential-hook={_HOOK}", "trixie", str(draft), _mirror()),
    )
    _call(
        *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary=:all:", "--python-version", _PYTHON, "--target", str(draft / "shoal/site"), *pins),
    )
    draft.rename(base)
    return base


def _pins() -> list[str]:
    """Return the libraries with their locked versions."""
    lock = (ROOT / "requirements.lock").read_text()
    return [match[0] for name in _LIBRARIES if (match := re.search(rf"^{name}==[0-9][\w.]*", lock, re.M))]


def _mirror() -> str:
    """Return the mirror from which this machine has its own packages."""
    sites = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], check=True, capture_output=True, text=True
    ).stdout.split()
    # Where the machine has no other, its security updates have a site of their own.
    return next((site for site in sites if "security" not in site), "http://deb.debian.org/debian")


def _run(base: Path, folder: Path) -> int:
    root, disk, console = folder / "root", folder / "disk.img", folder / "console"
    _call("cp", "-a", "--reflink=auto", str(base), str(root))
    for source in _SOURCES:
        target = root / "shoal" / Path(source).name
        shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
    init = root / "guest-init"
    init.write_text(_INIT)
    init.chmod(0o755)
    kernel, initrd = (next((root / "boot").glob(f"{name}*")) for name in ("vmlinuz", "initrd.img"))
    with disk.open("wb") as file:
        file.truncate(2 << 30)
    _call("mke2fs", "-q", "-t", "ext4", "-d", str(root), "-E", "lazy_itable_init=1,root_owner=0:0", str(disk))
    print("guest: booting", flush=True)
    began = time.monotonic()
    # A KVM that is there may not start a stock kernel: emulation does everywhere.
    qemu = subprocess.Popen(
        [
            *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "qemu64"),
            *("-smp", "2", "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-serial", f"file:{console}", "-kernel", str(kernel), "-initrd", str(initrd), "-append"),
            "root=/dev/vda rw console=ttyS0 quiet audit=0 panic=-1 init=/guest-init",
            *("-drive", f"file={disk},if=none,id=d0,format=raw,cache=unsafe", "-device", "virtio-blk-pci,drive=d0"),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        qemu.wait(_LIMIT)
    except subprocess.TimeoutExpired:
        print(f"guest: not done within {_LIMIT} s", flush=True)
    finally:
        qemu.kill()
        qemu.wait()
    told = console.read_text(errors="replace") if console.exists() else ""
    print(told)
    print(f"guest: {time.monotonic() - began:.0f} s", flush=True)
    return 0 if any(line.strip() == PASSED for line in told.splitlines()) else 1


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
