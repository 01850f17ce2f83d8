"""Writes what an attempt is started from: its directory, with the OCI bundle and the files of its own."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Final

from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import MountFlag
from shoal_agent.runtime import host_files, log_files, own_sys
from shoal_agent.runtime.abilities import abilities, lacking
from shoal_agent.runtime.bundle import configuration
from shoal_agent.runtime.cgroups import Cgroups
from shoal_agent.runtime.conmon import Runtime, TaskFiles
from shoal_agent.runtime.devices import make_nodes
from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed, explain
from shoal_agent.runtime.host_files import HostNames
from shoal_agent.runtime.init import under_init
from shoal_agent.runtime.log_format import parse_line
from shoal_agent.runtime.mount_points import check_mount_points
from shoal_agent.runtime.shared import NETWORK, check_owned
from shoal_agent.runtime.task import TaskSpec
from shoal_agent.runtime.users import find_user
from shoal_common.containers.limits import asked

#: Room for a container's /etc/hosts, hostname and resolv.conf.
_OWN_FILES: Final = "256k"
#: Annotation in which crun takes a compiled seccomp filter (base64); its source, container.c.
_CRUN_FILTER: Final = "run.oci.seccomp_bpf_data"
#: How crun and runc tell of a failed execve.
_LATE: Final = ('{"msg":"exec container process', "exec /")
_MAX_SAID: Final = 4096


def stage(
    spec: TaskSpec, runtime: Runtime, *, files: TaskFiles, groups: Cgroups, seccomp_program: bytes | None
) -> list[Path]:
    """Write the bundle and make the supervisor group; return its `cgroup.procs` files.

    Args:
        spec: what is to be started.
        runtime: what will start it.
        files: where the bundle goes.
        groups: the node's control groups.
        seccomp_program: the standard profile as this runtime compiled it before, if it did.

    Raises:
        StartFailed: the sandbox or the image is not fit, or the attempt exists already.
        InvalidSpec: the image does not know the user.
    """
    name = str(spec.key)
    if wrong := own_sys.check_owned(spec.sandbox.net_ns, spec.sandbox.user_ns):
        raise StartFailed(RUNTIME_FAILED, f"{wrong}: /sys would be the host's")
    if wrong := check_owned(spec.shared, spec.sandbox.user_ns):
        raise StartFailed(RUNTIME_FAILED, wrong)
    if asked(spec.resources) and (wrong := lacking(spec.resources, abilities(groups))):
        raise StartFailed(RUNTIME_FAILED, f"its limits can't be set: {wrong} (change them: shoal update)")
    check_mount_points(spec.rootfs, spec.systems.targets)
    user = find_user(spec.rootfs, spec.process.user, spec.confinement.groups)
    try:
        files.directory.mkdir(mode=0o700)
    except FileExistsError:
        raise StartFailed(RUNTIME_FAILED, f"attempt {name} exists already (delete it first)") from None
    base = spec.sandbox.uid_base
    # Others of the host have no way in; the container's root group has.
    os.chown(files.directory, 0, base)
    os.chmod(files.directory, 0o710)
    facts = {
        "runtime": runtime.name,
        "env": list(spec.process.env),
        "cwd": spec.process.cwd,
        "args": spec.process.args,
        "log": str(log_files.written_path(spec.logs, spec.key.attempt)),
        "confinement": spec.confinement.encode(),
        "streams": {"tty": spec.streams.tty, "stdin": spec.streams.stdin, "stdin_once": spec.streams.stdin_once},
        "run": spec.run,
    }
    write_file(files.facts, json.dumps(facts))
    files.own.mkdir(mode=0o700)
    # The container may write to them, and must not be able to fill the host's tmpfs. The flags are those of the bind
    # mounts: in a user namespace runc can't take a further one off again.
    flags = MountFlag.NOSUID | MountFlag.NODEV
    syscalls.mount("shoal-files", files.own, "tmpfs", flags, f"mode=0755,size={_OWN_FILES},nr_inodes=16")
    host = HostNames(text_of(Path("/etc/resolv.conf")), text_of(Path("/etc/hosts")), shared=NETWORK in spec.shared.host)
    own = host_files.contents(spec.process.hostname, host, spec.names)
    for file, text in own.items():
        write_file(files.own / file, text, mode=0o644, owner=base)
    if spec.shared.lends:
        files.shm.mkdir(mode=0o700)
        own_shm = f"mode=1777,size={spec.systems.shm_bytes},uid={base},gid={base}"
        syscalls.mount("shm", files.shm, "tmpfs", flags | MountFlag.NOEXEC, own_shm)
    make_nodes(spec.confinement.devices, files.devices, base)
    config = configuration(
        process=spec.process,
        user=user,
        confinement=spec.confinement,
        rootfs=spec.rootfs,
        sandbox=spec.sandbox,
        systems=spec.systems,
        files=files.own,
        devices=files.devices,
        resources=spec.resources,
        cgroup=groups.container_path(name),
        limits_swap=groups.limits_swap,
        streams=spec.streams,
        shared=spec.shared,
        shm=files.shm if spec.shared.lends else spec.shared.shm,
    )
    if spec.init:
        under_init(config)
    if seccomp_program and spec.confinement.standard_calls:
        # crun takes the compiled filter as it is and saves a third of the time of a start. Others don't look at it.
        config["annotations"] = {_CRUN_FILTER: base64.b64encode(seccomp_program).decode()}
    write_file(files.config, json.dumps(config))
    log_files.begin(spec.logs, spec.key.attempt)
    return groups.make_supervisor(name)


def failed_exec(files: TaskFiles) -> StartFailed | None:
    """Return why a program that was let go could not be executed; None if it could.

    A program of a wrong format, or without its interpreter, is found out only after the start was answered. Both
    runtimes say so in what is then the container's only output, one line.
    """
    try:
        facts = json.loads(files.facts.read_text())
        log = Path(facts["log"])
        said = text_of(log) if log.exists() and log.stat().st_size < _MAX_SAID else ""
    except (FileNotFoundError, ValueError, KeyError):
        return None
    if said.count("\n") != 1:
        return None
    entry = parse_line(said.encode(errors="replace")[:-1])
    text = entry.data.decode(errors="replace") if entry is not None else ""
    return explain(facts["runtime"], text, facts["args"][0]) if text.startswith(_LATE) else None


def compiled_filter(runtime: Runtime, name: str) -> bytes:
    """Return the filter that crun compiled for a container and keeps for its `exec`; empty for other runtimes."""
    try:
        return (runtime.root / name / "seccomp.bpf").read_bytes()
    except FileNotFoundError:
        return b""


def make_passable(directory: Path) -> None:
    """Make a directory that everybody may walk through, and nobody else may list."""
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    mode = directory.stat().st_mode
    if mode & 0o011 != 0o011:
        directory.chmod(mode & 0o7777 | 0o011)


def write_file(file: Path, text: str, *, mode: int = 0o600, owner: int = 0) -> None:
    """Write a whole file, or none: a later agent must not read half of it."""
    draft = file.with_name(f".{file.name}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "w", errors="surrogateescape") as stream:
        os.fchmod(fd, mode)
        os.fchown(fd, owner, owner)
        stream.write(text)
    os.rename(draft, file)


def text_of(file: Path) -> str:
    """Return what is in a file; nothing if it isn't there."""
    try:
        return file.read_text(errors="replace")
    except FileNotFoundError:
        return ""
