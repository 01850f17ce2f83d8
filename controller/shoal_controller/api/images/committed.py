"""The documents of an image that is made from a container: its image's own, one layer more, and how it was run. Pure.

What this version does not know of the image's documents is kept.

Source: OCI image specification (config.md, manifest.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shoal_common.errors import InvalidSpec
from shoal_common.image_changes import apply_changes
from shoal_common.registry import parse_config, parse_manifest
from shoal_common.registry.manifests import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    MAX_LAYERS,
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    Descriptor,
    load_json,
)
from shoal_proto.v1.container_pb2 import ContainerConfig, HealthCheck
from shoal_proto.v1.image_pb2 import ImageConfig, Layer

#: What older Docker records of the container that an image came from.
_OF_ANOTHER: Final = ("container", "container_config", "docker_version", "id", "parent")


@dataclass(frozen=True, slots=True)
class Base:
    """The image that a container runs.

    Attributes:
        manifest: with its bytes.
        config: the bytes of its configuration.
    """

    manifest: Descriptor
    config: bytes


@dataclass(frozen=True, slots=True)
class Words:
    """What whoever commits says of it."""

    author: str
    message: str
    changes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Made:
    """The two documents, as they are pushed."""

    config: bytes
    config_digest: str
    manifest: bytes
    media_type: str


def run_as(base: ImageConfig, config: ContainerConfig, changes: Sequence[str]) -> ImageConfig:
    """Return how the new image is run: as the container was, then changed.

    Args:
        base: what its image says.
        config: what the container was asked for, its environment in clear.
        changes: instructions, see `image_changes`.

    Raises:
        InvalidSpec: a change is not valid.
    """
    made = ImageConfig()
    made.CopyFrom(base)
    if config.HasField("entrypoint"):
        # [""] is how Docker's clients say that there is none.
        made.entrypoint[:] = [] if list(config.entrypoint.values) == [""] else config.entrypoint.values
        made.cmd[:] = config.args
    elif config.args:
        made.cmd[:] = config.args
    variables = dict(entry.split("=", 1) for entry in base.env if "=" in entry)
    for entry in config.env:
        name, equals, value = entry.partition("=")
        if equals:
            variables[name] = value
        else:
            variables.pop(name, None)
    made.env[:] = [f"{name}={value}" for name, value in variables.items()]
    made.working_dir = config.working_dir or base.working_dir
    made.user = config.user or base.user
    made.stop_signal = config.stop_signal or base.stop_signal
    made.labels.update(config.labels)
    ports = {port if "/" in port else f"{port}/tcp" for port in config.exposed_ports}
    made.exposed_ports[:] = sorted({*base.exposed_ports, *ports})
    apply_changes(made, changes)
    return made


def documents(base: Base, config: ContainerConfig, words: Words, layer: Layer, created: datetime, name: str) -> Made:
    """Return configuration and manifest of the new image.

    Args:
        config: what the container was asked for, its environment in clear.
        layer: what it has changed; its media type is said here.
        name: of the container's image, for errors.

    Raises:
        InvalidSpec: the image can't be built upon, or a change is not valid.
    """
    parsed = parse_manifest(base.manifest.body, media_type=base.manifest.media_type, name=name)
    told = parse_config(base.config, name=name)
    if len(parsed.layers) >= MAX_LAYERS:
        raise InvalidSpec(f"{name} has {MAX_LAYERS} layers already, and no more fit (use export and image import)")
    made = run_as(told.config, config, words.changes)
    docker = parsed.media_type == DOCKER_MANIFEST
    moment = created.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    document: dict[str, Any] = dict(load_json(base.config, f"configuration of {name}"))
    for key in _OF_ANOTHER:
        document.pop(key, None)
    run = document.get("config")
    document["config"] = _run_section(dict(run) if isinstance(run, dict) else {}, made, config.health)
    document["created"] = moment
    document["rootfs"] = {"type": "layers", "diff_ids": [*told.diff_ids, layer.diff_id]}
    step = {"created": moment, "created_by": " ".join((*made.entrypoint, *made.cmd))[:1000]}
    if words.author:
        document["author"] = step["author"] = words.author
    if words.message:
        step["comment"] = words.message
    history = document.get("history")
    document["history"] = [*(history if isinstance(history, list) else []), step]
    body = _encoded(document)
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    manifest: dict[str, Any] = dict(load_json(base.manifest.body, f"manifest of {name}"))
    # Annotations, and what the manifest refers to, are the other image's.
    for key in ("annotations", "subject"):
        manifest.pop(key, None)
    manifest["mediaType"] = parsed.media_type
    manifest["config"] = {
        "mediaType": DOCKER_CONFIG if docker else OCI_CONFIG,
        "digest": digest,
        "size": len(body),
    }
    manifest["layers"] = [
        *manifest["layers"],
        {
            "mediaType": DOCKER_LAYER_GZIP if docker else OCI_LAYER_GZIP,
            "digest": layer.digest,
            "size": layer.size_bytes,
        },
    ]
    return Made(body, digest, _encoded(manifest), parsed.media_type)


def _run_section(section: dict[str, Any], made: ImageConfig, health: HealthCheck) -> dict[str, Any]:
    values: dict[str, Any] = {
        "Entrypoint": list(made.entrypoint),
        "Cmd": list(made.cmd),
        "Env": list(made.env),
        "WorkingDir": made.working_dir,
        "User": made.user,
        "Labels": dict(made.labels),
        "ExposedPorts": {port: {} for port in made.exposed_ports},
        "Volumes": {path: {} for path in made.volumes},
        "StopSignal": made.stop_signal,
    }
    told = section.get("Healthcheck")
    values["Healthcheck"] = {**(told if isinstance(told, dict) else {}), **_health(health)}
    volumes = section.get("Volumes")
    values["Volumes"] = {**(volumes if isinstance(volumes, dict) else {}), **values["Volumes"]}
    for key, value in values.items():
        if value:
            section[key] = value
        else:
            section.pop(key, None)
    return section


def _health(check: HealthCheck) -> dict[str, Any]:
    """Return what a container was told of its health check, as Docker's images have it: times in nanoseconds."""
    values: dict[str, Any] = {
        "Test": list(check.test),
        "Interval": check.interval_ms * 1_000_000,
        "Timeout": check.timeout_ms * 1_000_000,
        "StartPeriod": check.start_period_ms * 1_000_000,
        "StartInterval": check.start_interval_ms * 1_000_000,
        "Retries": check.retries,
    }
    return {key: value for key, value in values.items() if value}


def _encoded(document: dict[str, Any]) -> bytes:
    # In ASCII: what is kept may hold half a surrogate pair, which only an escape can say.
    return json.dumps(document, separators=(",", ":")).encode()
