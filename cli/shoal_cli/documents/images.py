"""`shoal image inspect` and `shoal inspect IMAGE`."""

from __future__ import annotations

from functools import cache, partial

from shoal_cli.documents.parts import health_check, keys, time
from shoal_cli.formats import api_fields
from shoal_cli.templates import Struct
from shoal_proto.v1.image_pb2 import Image


def document(image: Image) -> Struct:
    """Return an image as Docker shows one. Sizes are those of its layers as the registry has them, compressed."""
    name, _, _ = image.reference.partition("@")
    config = image.config
    return Struct(
        {
            "Id": image.config_digest,
            "RepoTags": [name] if ":" in name.rpartition("/")[2] else [],
            "RepoDigests": [f"{repository(name)}@{image.digest}"],
            "Created": time(image, "created_at"),
            "Config": Struct(
                {
                    "User": config.user,
                    "ExposedPorts": keys(config.exposed_ports),
                    "Env": list(config.env),
                    "Cmd": list(config.cmd),
                    "Healthcheck": Struct(health_check(config.healthcheck)) if config.HasField("healthcheck") else None,
                    "Volumes": keys(config.volumes),
                    "WorkingDir": config.working_dir,
                    "Entrypoint": list(config.entrypoint),
                    "Labels": dict(config.labels),
                    "StopSignal": config.stop_signal,
                }
            ),
            "Architecture": image.architecture,
            "Os": image.os,
            "Size": image.size_bytes,
            "RootFS": Struct({"Type": "layers", "Layers": [layer.diff_id for layer in image.layers]}),
        },
        cache(partial(api_fields, image)),
    )


def repository(name: str) -> str:
    """Return a reference without its tag."""
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
