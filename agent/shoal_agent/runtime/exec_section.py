"""The OCI `process` section of an exec: the task's own environment and confinement, unless the exec says others."""

from __future__ import annotations

import json
from pathlib import Path

from shoal_agent.kernel import processes
from shoal_agent.runtime.bundle import process_section
from shoal_agent.runtime.confinement import Confinement, confinement_of, own_limits
from shoal_agent.runtime.exec import ExecSpec
from shoal_agent.runtime.process import override
from shoal_agent.runtime.task import Running, Streams
from shoal_agent.runtime.users import find_user
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig


def exec_section(running: Running, spec: ExecSpec, facts_file: Path) -> dict[str, object]:
    """Return the section; reads what the container sees now, by way of its first process.

    Args:
        facts_file: what was written of the task when it was created.

    Raises:
        InvalidSpec: the working directory is not absolute, or there is no such user.
        OSError: the task has ended.
    """
    facts = json.loads(facts_file.read_text())
    variables: dict[str, str] = {}
    override(variables, facts["env"])
    override(variables, spec.env)
    cwd = spec.cwd or facts["cwd"]
    if not cwd.startswith("/"):
        raise InvalidSpec(f'working directory "{cwd[:200]}" is not absolute (start it with "/")')
    # An agent of an older version wrote nothing of it, and knew but one.
    held = facts.get("confinement")
    limits = Confinement.decode(held) if held is not None else confinement_of(ContainerConfig(), own_limits())
    user = find_user(Path(f"/proc/{running.pid}/root"), spec.user, limits.groups)
    if processes.start_time(running.pid) != running.pid_start:
        raise ProcessLookupError(f"process {running.pid} has ended")
    env = [f"{name}={value}" for name, value in variables.items()]
    streams = Streams(tty=spec.tty, columns=spec.columns, rows=spec.rows)
    return process_section(args=spec.args, env=env, cwd=cwd, user=user, confinement=limits, streams=streams)
