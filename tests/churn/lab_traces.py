"""What a lab has on its machine, listed from outside of its hosts: nothing of anybody else's is in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from shoal_lab.cluster import Lab

_KINDS = ("processes", "namespaces", "mounts", "links", "rules", "files", "open files")


def look(lab: Lab) -> dict[str, set[str]]:
    """Return what there is, by kind; everything says which host it is of."""
    found: dict[str, set[str]] = {kind: set() for kind in _KINDS}
    for host in lab.layout.node_hosts:
        first = lab.orders(host.name).pid
        for kind, each in _of_host(first, lab.layout.host_data(host.name)):
            found[kind].add(f"{host.name} {each}")
    groups = (directory for directory, _, _ in os.walk("/sys/fs/cgroup"))
    found["control groups"] = {group for group in groups if lab.layout.cgroup("") in f"{group}/"}
    return found


def _of_host(first: int, data: Path) -> Iterator[tuple[str, str]]:
    for pid in _below(first):
        # One that ends while it is looked at.
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            yield "processes", f"{pid} {command[:200]}"
            for kind in ("net", "mnt", "user", "pid", "ipc", "uts", "cgroup"):
                yield "namespaces", os.readlink(f"/proc/{pid}/ns/{kind}")
            if " agent --data-root " in command:
                for descriptor in os.listdir(f"/proc/{pid}/fd"):
                    target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                    yield "open files", f"{descriptor} {target}"
        except OSError:
            continue
    mounts = [line.split() for line in Path(f"/proc/{first}/mountinfo").read_text().splitlines()]
    yield from (("mounts", f"{fields[0]} {fields[4]}") for fields in mounts)
    yield from (("namespaces", fields[3]) for fields in mounts if fields[3].partition(":")[0] in ("net", "user", "mnt"))
    for line in Path(f"/proc/{first}/net/dev").read_text().splitlines()[2:]:
        yield "links", line.partition(":")[0].strip()
    rules = subprocess.run(
        ["nsenter", f"--target={first}", "--net", "nft", "list", "ruleset"], check=True, capture_output=True, text=True
    )
    for number, line in enumerate(rules.stdout.splitlines()):
        yield "rules", f"{number} {line.strip()}"
    for top in (data, Path("/run/shoal")):
        inside = Path(f"/proc/{first}/root{top}")
        for directory, folders, files in os.walk(inside):
            yield from (("files", os.path.relpath(f"{directory}/{name}", inside)) for name in (*folders, *files))


def _below(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _below(int(child))
    except OSError:
        return
