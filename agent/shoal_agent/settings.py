"""What an agent is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shoal_agent.core.collecting import Thresholds
from shoal_agent.core.log_rotation import Limits
from shoal_agent.paths import NodePaths
from shoal_agent.volumes.binds import AllowedBind


@dataclass(frozen=True, slots=True)
class Settings:
    """How one agent runs.

    Attributes:
        listen: "IP:PORT" on which controllers reach it; also what it advertises.
        join: "HOST:PORT" of controllers' join listeners; none for a host that has joined.
        token_file: holds the join token; read only when joining.
        labels: of the node, beside what operators give it.
        memory_bytes, cpu_millis: what containers may use; 0 for all that the host has.
        uid_bases: first host uids of the ranges of 65536 that containers may get.
        allowed_binds: of the host's own paths, those that containers may mount.
        cgroup_parent: below which all control groups are made.
        runtimes: programs of OCI runtimes by name; the first is the default.
        own_registries: "HOST:PORT" of registries that trust the cluster's certificates, and are trusted by them.
        insecure_registries: "HOST:PORT" of registries that are spoken to in plain HTTP.
        clearing: how full the disk is when it is cleared of images and old logs, and until when.
        log_limits: of containers that say nothing of their log.
    """

    paths: NodePaths
    listen: str
    join: tuple[str, ...]
    token_file: Path | None
    name: str
    labels: Mapping[str, str]
    memory_bytes: int
    cpu_millis: int
    uid_bases: range
    allowed_binds: tuple[AllowedBind, ...]
    cgroup_parent: str
    runtimes: Mapping[str, Path]
    own_registries: tuple[str, ...]
    insecure_registries: tuple[str, ...]
    clearing: Thresholds
    log_limits: Limits
