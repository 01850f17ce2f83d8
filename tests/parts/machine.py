"""What a lab could leave on the machine, listed, so that a test can compare before and after."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path


def processes() -> set[str]:
    """Return the command lines of processes that belong to a lab or a container; those that ended don't count."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if re.search(r"shoal(-lab| agent| controller)|shoal_lab|conmon|docker-registry|etcd ", command):
            found.add(f"{entry.name} {command[:200]}")
    return found


def mounts() -> set[str]:
    """Return the mount points of this machine's own mount namespace."""
    return {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}


def links() -> set[str]:
    """Return the names of this machine's network links."""
    return set(os.listdir("/sys/class/net"))


def namespaces() -> set[str]:
    """Return the network, mount and user namespaces that processes are in or that are mounted somewhere."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        for kind in ("net", "mnt", "user", "pid"):
            try:
                found.add(os.readlink(entry / "ns" / kind))
            except OSError:
                continue
    found |= {line.split()[3] for line in Path("/proc/self/mountinfo").read_text().splitlines() if " nsfs " in line}
    return found


def cgroups() -> set[str]:
    """Return all cgroups below all hierarchies."""
    return {directory for directory, _, _ in os.walk("/sys/fs/cgroup")}


def rules() -> set[str]:
    """Return the lines of this machine's own nftables rules."""
    return set(
        subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout.splitlines()
    )


def files() -> set[str]:
    """Return what a lab keeps on disk and in /run."""
    roots = ("/var/lib/shoal-lab", "/run/shoal-lab", "/run/shoal", "/var/lib/shoal")
    return {str(path) for root in roots for path in Path(root).rglob("*")} | {r for r in roots if Path(r).exists()}


def traces() -> dict[str, set[str]]:
    """Return everything above."""
    return {
        "processes": processes(),
        "mounts": mounts(),
        "links": links(),
        "namespaces": namespaces(),
        "cgroups": cgroups(),
        "rules": rules(),
        "files": files(),
    }
