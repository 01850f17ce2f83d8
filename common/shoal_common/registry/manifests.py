"""Manifests, indexes and image configurations: from untrusted JSON to checked values.

Sources: OCI image specification (manifest.md, image-index.md, config.md), Docker's image manifest v2, schema 2.
"""

from __future__ import annotations

import json
import platform as host_platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.references import is_digest
from shoal_proto.v1.container_pb2 import HealthCheck
from shoal_proto.v1.image_pb2 import ImageConfig

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_ZSTD: Final = "application/vnd.docker.image.rootfs.diff.tar.zstd"

MANIFEST_TYPES: Final = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES: Final = (OCI_INDEX, DOCKER_LIST)
CONFIG_TYPES: Final = (OCI_CONFIG, DOCKER_CONFIG)
LAYER_TYPES: Final = (
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_LAYER_ZSTD,
)

#: Most bytes of a manifest or an index; what registries accept.
MAX_MANIFEST: Final = 4 << 20
#: Most bytes of an image configuration.
MAX_CONFIG: Final = 8 << 20
#: Most layers of one image: overlayfs takes 500 lower directories, Docker builds at most 127.
MAX_LAYERS: Final = 256
#: Machine names of the kernel, in the words of Go that images use.
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_MAX_SIZE: Final = 1 << 50
#: Docker's names of the times of a health check, in nanoseconds, and ours, in milliseconds.
_HEALTH_TIMES: Final = {
    "Interval": "interval_ms",
    "Timeout": "timeout_ms",
    "StartPeriod": "start_period_ms",
    "StartInterval": "start_interval_ms",
}
_NS_PER_MS: Final = 1_000_000
#: What more than a day, and more failures than these, are meant by nobody.
_MAX_NANOSECONDS: Final = 86_400_000_000_000
_MAX_RETRIES: Final = 1_000_000

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a digest stands for.

    Attributes:
        size: bytes.
        body: the bytes themselves where they were fetched (manifests), else empty.
    """

    media_type: str
    digest: str
    size: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform: its configuration and its layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def size(self) -> int:
        """Compressed bytes of all layers."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image must be made for."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @staticmethod
    def of_host() -> Platform:
        """Return the platform of this machine."""
        machine = host_platform.machine()
        architecture = _ARCHITECTURES.get(machine, machine)
        return Platform("linux", architecture, "v7" if architecture == "arm" else "")


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """An image configuration, checked.

    Attributes:
        config: how to run the image.
        diff_ids: digests of the uncompressed layers, lowest first.
        created: None if the image does not say.
    """

    config: ImageConfig
    diff_ids: tuple[str, ...]
    platform: Platform
    created: datetime | None


def parse_manifest(body: bytes, *, media_type: str = "", name: str) -> Manifest:
    """Return the checked manifest in `body`.

    Args:
        media_type: what the registry called it; "" takes what the manifest says of itself.
        name: what to call the image in errors, such as `image "web:3"`.

    Raises:
        InvalidSpec: it is not a manifest that Shoal can run.
    """
    document = load_json(body, f"manifest of {name}")
    # OCI lets a manifest leave its own type out.
    media_type = document_type(document, media_type, name) or OCI_MANIFEST
    if media_type not in MANIFEST_TYPES:
        raise InvalidSpec(f'manifest of {name} is of type "{media_type[:100]}", which is not an image')
    config = _descriptor(document.get("config"), f"configuration of {name}")
    if config.media_type not in CONFIG_TYPES:
        raise InvalidSpec(f'{name} is not a container image: its configuration is "{config.media_type[:100]}"')
    listed = document.get("layers")
    if not isinstance(listed, list) or len(listed) > MAX_LAYERS:
        raise InvalidSpec(f"manifest of {name} has no list of layers, or one of more than {MAX_LAYERS}")
    layers = tuple(_descriptor(item, f"layer {index} of {name}") for index, item in enumerate(listed, 1))
    for layer in layers:
        if layer.media_type not in LAYER_TYPES:
            raise InvalidSpec(f'layer {layer.digest} of {name} is of type "{layer.media_type[:100]}", not supported')
    return Manifest(media_type, config, layers)


def choose_platform(body: bytes, platform: Platform, *, media_type: str, name: str) -> Descriptor:
    """Return the descriptor of the manifest for `platform` in an index: the first that matches, as OCI says.

    Raises:
        InvalidSpec: the index is malformed or has nothing for the platform; the message lists what it has.
    """
    document = load_json(body, f"index of {name}")
    document_type(document, media_type, name)
    listed = document.get("manifests")
    if not isinstance(listed, list) or len(listed) > 1024:
        raise InvalidSpec(f"index of {name} has no list of manifests")
    offered: list[str] = []
    for item in listed:
        descriptor = _descriptor(item, f"index of {name}")
        told = item.get("platform") if isinstance(item, dict) else None
        if not isinstance(told, dict) or descriptor.media_type not in MANIFEST_TYPES:
            continue
        has = Platform(_text(told, "os"), _text(told, "architecture"), _text(told, "variant"))
        same = (has.os, has.architecture) == (platform.os, platform.architecture)
        # A variant left out on either side fits any: arm64 is written with and without its only one, v8.
        if same and (not has.variant or not platform.variant or has.variant == platform.variant):
            return descriptor
        if has.os != "unknown":
            offered.append(str(has))
    raise InvalidSpec(
        f"{name} is not made for {platform} (it has: {', '.join(sorted(set(offered))[:20]) or 'nothing'})"
    )


def parse_config(body: bytes, *, name: str) -> ParsedConfig:
    """Return the checked image configuration in `body`.

    Raises:
        InvalidSpec: it is malformed; `name` says of what.
    """
    what = f"configuration of {name}"
    document = load_json(body, what)
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or not all(isinstance(d, str) and is_digest(d) for d in diff_ids):
        raise InvalidSpec(f"{what} has no list of sha256 diff_ids")
    told = document.get("config")
    config = told if isinstance(told, dict) else {}
    ports = config.get("ExposedPorts")
    labels = config.get("Labels")
    volumes = config.get("Volumes")
    try:
        parsed = ImageConfig(
            entrypoint=_texts(config, "Entrypoint", what),
            cmd=_texts(config, "Cmd", what),
            env=_texts(config, "Env", what),
            working_dir=_text(config, "WorkingDir"),
            user=_text(config, "User"),
            labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
            exposed_ports=sorted(ports) if isinstance(ports, dict) else (),
            stop_signal=_text(config, "StopSignal"),
            volumes=sorted(volumes) if isinstance(volumes, dict) else (),
            healthcheck=_healthcheck(config.get("Healthcheck"), what),
        )
    except (ValueError, UnicodeError) as error:
        # Lone surrogates and the like: valid JSON, but no text.
        raise InvalidSpec(f"{what} has text that is not valid UTF-8") from error
    made_for = Platform(_text(document, "os"), _text(document, "architecture"), _text(document, "variant"))
    return ParsedConfig(parsed, tuple(diff_ids), made_for, _created(_text(document, "created")))


def healthcheck_document(check: HealthCheck) -> dict[str, object]:
    """Return a health check as an image's configuration has it: Docker's own addition to OCI's, with nanoseconds."""
    document: dict[str, object] = {"Test": list(check.test), "Retries": check.retries}
    for key, field in _HEALTH_TIMES.items():
        document[key] = getattr(check, field) * _NS_PER_MS
    return {key: value for key, value in document.items() if value}


def _healthcheck(document: object, what: str) -> HealthCheck | None:
    if not isinstance(document, dict):
        return None
    retries = _number(document, "Retries")
    check = HealthCheck(test=_texts(document, "Test", what), retries=retries if retries <= _MAX_RETRIES else 0)
    for key, field in _HEALTH_TIMES.items():
        setattr(check, field, _number(document, key) // _NS_PER_MS)
    return check


def _number(document: Mapping[str, object], key: str) -> int:
    """Return a count, or nanoseconds; 0 for what is none, or more than anybody means."""
    value = document.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_NANOSECONDS else 0


def load_json(body: bytes, what: str) -> Json:
    """Return the JSON object in `body`.

    Raises:
        InvalidSpec: it is not one, or nested too deeply.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"{what} is not valid JSON") from error
    if not isinstance(document, dict):
        raise InvalidSpec(f"{what} is not a JSON object")
    return document


def document_type(document: Json, media_type: str, name: str) -> str:
    """Return the media type on which the registry and the document agree.

    Raises:
        InvalidSpec: they differ (one set of bytes must not be read in two ways), or it is Docker's schema 1.
    """
    own = _text(document, "mediaType")
    if own and media_type and own != media_type:
        raise InvalidSpec(f'manifest of {name} calls itself "{own[:100]}", the registry "{media_type[:100]}"')
    if document.get("schemaVersion") != 2:
        raise InvalidSpec(f"manifest of {name} is not of schema 2 (push the image again with a current tool)")
    if ("manifests" in document) and ("layers" in document or "config" in document):
        raise InvalidSpec(f"manifest of {name} is an index and an image at once")
    return own or media_type


def _descriptor(item: object, what: str) -> Descriptor:
    if not isinstance(item, dict):
        raise InvalidSpec(f"{what} has no descriptor")
    media_type, digest, size = item.get("mediaType"), item.get("digest"), item.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str) or not is_digest(digest):
        raise InvalidSpec(f"{what} has a descriptor without media type or sha256 digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_SIZE:
        raise InvalidSpec(f"{what} has a descriptor without a valid size")
    return Descriptor(media_type, digest, size)


def _text(document: Mapping[str, object], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _texts(document: Mapping[str, object], key: str, what: str) -> list[str]:
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidSpec(f'{what}: "{key}" is not a list of texts')
    return value


def _created(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
