"""What an agent looks at before it starts: is this host able, and are its directories closed to others?"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from shoal_agent.kernel import syscalls
from shoal_agent.network.nftables import Nftables
from shoal_agent.paths import NodePaths
from shoal_common.errors import InvalidSpec, ShoalError

#: Capabilities of the agent by number (capabilities(7)), those without which no container can be made.
_CAPABILITIES = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_FOWNER": 3,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_SETPCAP": 8,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_CHROOT": 18,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_MKNOD": 27,
}


def check_data_root(paths: NodePaths) -> None:
    """Check that both roots of the node are closed to other users, and that containers can get to their own.

    A program with the setuid bit in a layer or a writable layer belongs to uid 0 on disk: whoever could reach it
    there would be root of the host. So nobody but root may enter the data root. The run root may be passed through
    (0711), since the runtime looks up a root file system with the ids of the container's root; what is in it is closed
    one by one. Raises InvalidSpec with the remedy.
    """
    _check_closed(paths.data, allowed=0o700)
    _check_closed(paths.run, allowed=0o711)
    for above in paths.run.resolve().parents:
        if not above.stat().st_mode & 0o001:
            raise InvalidSpec(
                f"{above} may not be passed through, so that no container would get to its files in {paths.run} "
                f"(chmod o+x {above}, or choose another --run-root)"
            )


def _check_closed(path: Path, *, allowed: int) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise InvalidSpec(f"{path} does not exist (make it: install -d -m 0700 -o root {path})") from None
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidSpec(f"{path} is no directory (remove it, and: install -d -m 0700 -o root {path})")
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != 0 or mode & ~allowed & 0o077:
        raise InvalidSpec(
            f"{path} has mode {mode:04o} and belongs to uid {status.st_uid}, so that users of this host could run "
            f"containers' setuid programs (close it: chown root {path} && chmod {allowed:04o} {path})"
        )


def missing_capabilities(status: str) -> list[str]:
    """Return the capabilities that a process with this /proc/PID/status lacks, by name."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return [name for name, number in _CAPABILITIES.items() if not held >> number & 1]
    return list(_CAPABILITIES)


def check_kernel() -> list[str]:
    """Return what this host lacks for running containers, one line each with its remedy; nothing: all is there."""
    missing = []
    if lacking := missing_capabilities(Path("/proc/thread-self/status").read_text()):
        missing.append(f"the agent lacks {', '.join(lacking)} (run it as root)")
    filesystems = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    if "overlay" not in filesystems:
        missing.append("the kernel has no overlayfs (modprobe overlay)")
    if not syscalls.supports_mount_setattr():
        missing.append("the kernel has no idmapped mounts (Linux 5.12 or newer is needed)")
    if not Path("/proc/self/ns/user").exists():
        missing.append("the kernel has no user namespaces (CONFIG_USER_NS)")
    elif _limit("/proc/sys/user/max_user_namespaces") == 0:
        missing.append("user namespaces are switched off (sysctl user.max_user_namespaces=15000)")
    if not _nftables_works():
        missing.append("nftables does not work (install the package nftables; the kernel needs CONFIG_NF_TABLES)")
    if not os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK):
        missing.append("/proc/sys is read-only (the agent must be able to switch on forwarding)")
    return missing


def _limit(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (FileNotFoundError, ValueError):
        return None


def _nftables_works() -> bool:
    try:
        with contextlib.closing(Nftables()) as nftables:
            nftables.apply("list tables")
    except ShoalError:
        return False
    return True
