"""The OCI configuration of a container: Docker's confinement, in a sandbox that exists already.

Pure. Source: OCI runtime specification 1.0.2, config.md and config-linux.md; Docker's defaults (moby, oci/defaults.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from shoal_agent.runtime.confinement import Confinement
from shoal_agent.runtime.devices import DeviceNode, device_mounts
from shoal_agent.runtime.mounts import FileSystems, mount_section
from shoal_agent.runtime.process import Process
from shoal_agent.runtime.shared import ALONE, UTS, Shared
from shoal_agent.runtime.task import NO_STREAMS, Streams
from shoal_agent.runtime.users import ID_COUNT, User
from shoal_agent.sandbox.sandboxes import Sandbox
from shoal_common.containers import capabilities
from shoal_proto.v1.resources_pb2 import Resources

Json: TypeAlias = dict[str, Any]

DEFAULT_PIDS: Final = 4096
CPU_PERIOD_US: Final = 100_000
#: The kernel refuses a smaller quota.
MIN_CPU_QUOTA_US: Final = 1_000

#: What Docker hides. /proc/latency_stats, timer_stats and sched_debug are of older kernels.
MASKED_PATHS: Final = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def process_section(
    *,
    args: Sequence[str],
    env: Sequence[str],
    cwd: str,
    user: User,
    confinement: Confinement,
    streams: Streams = NO_STREAMS,
) -> Json:
    """Return the section `process`, which is also what `exec --process` takes.

    HOME is added where `env` has none, and TERM where there is a terminal.
    """
    granted = capabilities.ordered(confinement.capabilities)
    sets: dict[str, list[str]] = {"bounding": granted, "inheritable": [], "ambient": []}
    # Only root has them at once, as if the kernel had made the user by execve; others have none.
    sets["effective"] = sets["permitted"] = granted if user.uid == 0 else []
    if not any(entry.startswith("HOME=") for entry in env):
        env = [*env, f"HOME={user.home}"]
    if streams.tty and not any(entry.startswith("TERM=") for entry in env):
        env = [*env, "TERM=xterm"]
    size = {"width": streams.columns, "height": streams.rows}
    return {
        "terminal": streams.tty,
        **({"consoleSize": size} if streams.tty and streams.columns and streams.rows else {}),
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
        "args": list(args),
        "env": list(env),
        "cwd": cwd,
        "capabilities": sets,
        "noNewPrivileges": confinement.no_new_privileges,
        "rlimits": [
            {"type": name, "hard": hard, "soft": soft} for name, (soft, hard) in sorted(confinement.rlimits.items())
        ],
        **({} if confinement.oom_score is None else {"oomScoreAdj": confinement.oom_score}),
    }


def configuration(
    *,
    process: Process,
    user: User,
    confinement: Confinement,
    rootfs: Path,
    sandbox: Sandbox,
    systems: FileSystems,
    files: Path,
    devices: Path,
    resources: Resources,
    cgroup: str,
    limits_swap: bool,
    streams: Streams = NO_STREAMS,
    shared: Shared = ALONE,
    shm: Path | None = None,
) -> Json:
    """Return the whole configuration (config.json).

    Args:
        process: the first process; `user` is its user, resolved.
        confinement: what it is held to.
        rootfs: merged root file system.
        sandbox: whose user and network namespace are joined.
        systems: mounts that were asked for.
        files: directory with the container's own host files.
        devices: directory with the nodes of its devices.
        resources: limits; 0 means none, and DEFAULT_PIDS for pids.
        cgroup: path of the container's control group.
        limits_swap: whether the kernel can limit swap.
        streams: of the first process.
        shared: namespaces of another task that are joined, and those that are the node's.
        shm: what is mounted at /dev/shm, if that is shared.
    """
    mapping = [{"containerID": 0, "hostID": sandbox.uid_base, "size": ID_COUNT}]
    kinds = [kind for kind in ("pid", "ipc", "uts", "mount", "cgroup") if kind not in shared.host]
    return {
        "ociVersion": "1.0.2",
        "process": process_section(
            args=process.args,
            env=process.env,
            cwd=process.cwd,
            user=user,
            confinement=confinement,
            streams=streams,
        ),
        "root": {"path": str(rootfs), "readonly": systems.read_only},
        **({} if UTS in shared.host else {"hostname": process.hostname}),
        "mounts": [
            *mount_section(systems, files, writable_sys=confinement.privileged, shm=shm),
            *device_mounts(confinement.devices, devices),
        ],
        "linux": {
            "namespaces": [
                *(_namespace(kind, shared) for kind in kinds),
                *(() if sandbox.of_host else ({"type": "user", "path": str(sandbox.user_ns)},)),
                {"type": "network", "path": str(sandbox.net_ns)},
            ],
            **({} if sandbox.of_host else {"uidMappings": mapping, "gidMappings": mapping}),
            "cgroupsPath": cgroup,
            "resources": _limits(resources, confinement.devices, limits_swap=limits_swap),
            **({} if confinement.seccomp is None else {"seccomp": dict(confinement.seccomp)}),
            **({"sysctl": dict(confinement.sysctls)} if confinement.sysctls else {}),
            "maskedPaths": [] if confinement.privileged else list(MASKED_PATHS),
            "readonlyPaths": [] if confinement.privileged else list(READONLY_PATHS),
            "rootfsPropagation": "private",
        },
    }


def _namespace(kind: str, shared: Shared) -> Json:
    joined = shared.joined.get(kind)
    return {"type": kind} if joined is None else {"type": kind, "path": str(joined.path)}


def _limits(resources: Resources, devices: Sequence[DeviceNode], *, limits_swap: bool) -> Json:
    limits: Json = {
        # Nothing but these, and what the runtime itself adds: null, zero, full, random, urandom, tty, terminals.
        "devices": [{"allow": False, "access": "rwm"}, *(device.rule() for device in devices)],
        "pids": {"limit": resources.pids or DEFAULT_PIDS},
    }
    memory: Json = {}
    if resources.memory_bytes:
        memory["limit"] = resources.memory_bytes
        if limits_swap:
            # Memory and swap together: without a word the container gets no swap.
            memory["swap"] = resources.memory_swap_bytes or resources.memory_bytes
    if resources.memory_reservation_bytes:
        memory["reservation"] = resources.memory_reservation_bytes
    cpu: Json = {}
    if resources.cpu_millis:
        cpu["quota"] = max(resources.cpu_millis * CPU_PERIOD_US // 1000, MIN_CPU_QUOTA_US)
        cpu["period"] = CPU_PERIOD_US
    if resources.cpu_shares:
        cpu["shares"] = resources.cpu_shares
    if resources.cpuset_cpus:
        cpu["cpus"] = resources.cpuset_cpus
    if resources.cpuset_mems:
        cpu["mems"] = resources.cpuset_mems
    weight = {"weight": resources.blkio_weight} if resources.blkio_weight else {}
    return limits | {
        name: section for name, section in (("memory", memory), ("cpu", cpu), ("blockIO", weight)) if section
    }
