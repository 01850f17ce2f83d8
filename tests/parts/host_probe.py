"""Prints, as JSON, what a node's host has of containers. Runs alone in the host, on the standard library only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def entries(directory: Path) -> list[str]:
    """Return the names in a directory, but those that the agent keeps for itself."""
    return sorted(name for name in os.listdir(directory) if not name.startswith("."))


def ports() -> list[str]:
    """Return the elements of the set of links that may send."""
    listed = subprocess.run(
        ["nft", "-j", "list", "set", "bridge", "shoal", "ports"], check=True, capture_output=True
    ).stdout
    sets = [each["set"] for each in json.loads(listed)["nftables"] if "set" in each]
    return [json.dumps(element) for each in sets for element in each.get("elem", [])]


def links() -> list[str]:
    """Return the host's ends of containers' links. /sys may be of another network namespace, /proc/self never is."""
    names = [line.partition(":")[0].strip() for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]]
    return [name for name in names if name.startswith("shl")]


def processes() -> list[str]:
    """Return the processes of this host but its first, what came in from outside, the agent and its helpers."""
    found: list[str] = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            parent = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[1]
            command = Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        # What has no command line any more has ended and waits for its parent to look.
        if command and parent != "0" and " agent --data-root " not in command and "kernel_helper" not in command:
            found.append(f"{name} {command[:160]}")
    return sorted(found)


def cgroups(parent: str) -> list[str]:
    """Return the cgroups of containers and their supervisors, in every hierarchy."""
    root = Path("/sys/fs/cgroup")
    hierarchies = [root] if (root / "cgroup.controllers").exists() else list(root.iterdir())
    groups = [
        child
        for hierarchy in hierarchies
        if hierarchy.is_dir() and not hierarchy.is_symlink()
        for kind in ("containers", "supervisors")
        for child in (hierarchy / parent.lstrip("/") / kind).glob("*/")
    ]
    return sorted(map(str, groups))


def main(data: Path, run: Path, parent: str) -> None:
    """Print what there is, by kind."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    below = (f"{data}/", f"{run}/")
    found = {
        "containers": entries(data / "containers"),
        "downloads": [*entries(data / "images" / "ingest"), *entries(data / "images" / "staging")],
        "sandboxes": entries(run / "sandboxes"),
        "root file systems": entries(run / "rootfs"),
        "tasks": entries(run / "tasks"),
        "exits": entries(run / "exits"),
        # crun keeps the filters that it has compiled in ".cache".
        "runtimes": [str(path) for path in (run / "runtimes").glob("*/[!.]*")],
        "mounts": [path for path in mounts if path.startswith(below) and "/sandboxes/.pool/" not in path],
        "links": links(),
        "ports": ports(),
        "cgroups": cgroups(parent),
        "processes": processes(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
