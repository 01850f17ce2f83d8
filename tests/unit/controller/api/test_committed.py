"""The documents of an image that is made from a container."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shoal_common.errors import InvalidSpec
from shoal_common.registry import parse_config, parse_manifest
from shoal_common.registry.manifests import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    MAX_LAYERS,
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
)
from shoal_controller.api.images.committed import Base, Words, documents, run_as
from shoal_proto.v1.container_pb2 import ContainerConfig, HealthCheck
from shoal_proto.v1.image_pb2 import ImageConfig, Layer
from shoal_proto.v1.resources_pb2 import StringList

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
NEW = Layer(digest="sha256:" + "e" * 64, diff_id="sha256:" + "f" * 64, size_bytes=77)
BASE = ImageConfig(entrypoint=["/e"], cmd=["c"], env=["PATH=/bin", "A=image"], user="1", labels={"a": "image"})


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def base(*, docker: bool = False, layers: int = 1, **run: Any) -> Base:
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "os.version": "kept",
            "container": "not kept",
            "config": {"Cmd": ["c"], "Env": ["A=image"], "Healthcheck": {"Test": ["CMD", "x"]}, **run},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "a" * 64] * layers},
            "history": [{"created_by": "import"}],
        }
    ).encode()
    kinds = (
        (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER_GZIP) if docker else (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP)
    )
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kinds[0],
            "config": {"mediaType": kinds[1], "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": kinds[2], "digest": "sha256:" + "b" * 64, "size": 5}] * layers,
            "annotations": {"of": "the other"},
        }
    ).encode()
    return Base(Descriptor(kinds[0], digest_of(manifest), len(manifest), manifest), config)


@pytest.mark.parametrize("docker", [False, True])
def test_the_new_image_is_the_old_one_and_a_layer(docker: bool) -> None:
    made = documents(base(docker=docker), ContainerConfig(), Words("me", "fixed", ()), NEW, NOW, 'image "web"')
    parsed = parse_manifest(made.manifest, media_type=made.media_type, name="it")
    assert parsed.config.digest == digest_of(made.config) == made.config_digest
    assert [layer.digest for layer in parsed.layers] == ["sha256:" + "b" * 64, NEW.digest]
    assert parsed.layers[-1].media_type == (DOCKER_LAYER_GZIP if docker else OCI_LAYER_GZIP)
    assert parse_config(made.config, name="it").diff_ids == ("sha256:" + "a" * 64, NEW.diff_id)
    document = json.loads(made.config)
    assert (document["author"], document["os.version"], "container" in document) == ("me", "kept", False)
    assert document["config"]["Healthcheck"] == {"Test": ["CMD", "x"]}
    assert [step.get("comment") for step in document["history"]] == [None, "fixed"]
    assert "annotations" not in json.loads(made.manifest)


def test_text_that_is_none_is_kept_as_it_is() -> None:
    words: dict[str, Any] = {"vendor.words": "\ud83d and \u00fc"}
    made = documents(base(**words), ContainerConfig(), Words("\u00fc", "", ()), NEW, NOW, 'image "web"')
    document = json.loads(made.config)
    assert (document["config"]["vendor.words"], document["author"]) == ("\ud83d and \u00fc", "\u00fc")


def test_it_is_run_as_the_container_was() -> None:
    config = ContainerConfig(
        args=["own"], env=["A=own", "B=c", "PATH"], working_dir="/w", labels={"b": "own"}, exposed_ports=["80"]
    )
    made = run_as(BASE, config, ["CMD changed"])
    assert list(made.entrypoint) == ["/e"]
    assert list(made.cmd) == ["/bin/sh", "-c", "changed"]
    assert list(made.env) == ["A=own", "B=c"]
    assert (made.working_dir, made.user, dict(made.labels)) == ("/w", "1", {"a": "image", "b": "own"})
    assert list(made.exposed_ports) == ["80/tcp"]


def test_an_entry_point_of_its_own_makes_the_images_command_meaningless() -> None:
    made = run_as(BASE, ContainerConfig(entrypoint=StringList(values=["/own"])), ())
    assert (list(made.entrypoint), list(made.cmd)) == (["/own"], [])
    made = run_as(BASE, ContainerConfig(entrypoint=StringList(values=[""]), args=["x"]), ())
    assert (list(made.entrypoint), list(made.cmd)) == ([], ["x"])


def test_an_image_with_all_the_layers_it_may_have_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="no more fit"):
        documents(base(layers=MAX_LAYERS), ContainerConfig(), Words("", "", ()), NEW, NOW, 'image "web"')


def test_a_health_check_of_its_own_goes_over_the_images() -> None:
    config = ContainerConfig(health=HealthCheck(test=["NONE"], interval_ms=1500))
    made = documents(base(), config, Words("", "", ()), NEW, NOW, 'image "web"')
    assert json.loads(made.config)["config"]["Healthcheck"] == {"Test": ["NONE"], "Interval": 1_500_000_000}


def test_volumes_of_the_image_are_kept() -> None:
    made = documents(
        base(Volumes={"/data": {}}), ContainerConfig(), Words("", "", ["VOLUME /logs"]), NEW, NOW, 'image "web"'
    )
    assert json.loads(made.config)["config"]["Volumes"] == {"/data": {}, "/logs": {}}
