"""Manifests and configurations that registries may send, well-formed and not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.errors import InvalidSpec
from shoal_common.registry.manifests import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Platform,
    choose_platform,
    healthcheck_document,
    parse_config,
    parse_manifest,
)
from shoal_common.registry.retry import LONGEST_IMPOSED_WAIT, Retry, imposed_wait
from shoal_proto.v1.container_pb2 import HealthCheck

DIGEST = "sha256:" + "a" * 64
NAME = 'image "web:3"'


def manifest(**changes: Any) -> bytes:
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 2},
        "layers": [{"mediaType": OCI_LAYER_GZIP, "digest": DIGEST, "size": 10}],
    }
    document.update(changes)
    return json.dumps({key: value for key, value in document.items() if value is not None}).encode()


def layer(**changes: Any) -> dict[str, Any]:
    return {"mediaType": OCI_LAYER_GZIP, "digest": DIGEST, "size": 10, **changes}


def index(*platforms: dict[str, str], media_type: str = OCI_INDEX) -> bytes:
    manifests = [
        {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 1, "platform": platform}
        for number, platform in enumerate(platforms)
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}).encode()


def test_a_health_check_is_read_as_docker_writes_it_and_written_so() -> None:
    second = 1_000_000_000
    document = {"Test": ["CMD", "check"], "Interval": 5 * second, "StartPeriod": second, "Retries": 4}

    def parsed(healthcheck: object) -> HealthCheck:
        body = json.dumps({"rootfs": {"diff_ids": []}, "config": {"Healthcheck": healthcheck}}).encode()
        return parse_config(body, name=NAME).config.healthcheck

    check = HealthCheck(test=["CMD", "check"], interval_ms=5_000, start_period_ms=1_000, retries=4)
    assert parsed(document) == check
    assert healthcheck_document(check) == document
    # Numbers that nobody means are as if they were not there.
    for wrong in (-1, 1 << 62, True, "5s", 1.5):
        assert parsed({"Test": ["NONE"], "Interval": wrong, "Retries": wrong}) == HealthCheck(test=["NONE"])
    assert parsed(None) == parsed([]) == HealthCheck()
    with pytest.raises(InvalidSpec):
        parsed({"Test": "check"})


def test_reads_manifests_with_and_without_their_own_type() -> None:
    parsed = parse_manifest(manifest(), media_type=OCI_MANIFEST, name=NAME)
    assert parsed.size == 10
    assert parse_manifest(manifest(mediaType=None), name=NAME) == parsed
    docker = parse_manifest(manifest(mediaType=DOCKER_MANIFEST), name=NAME)
    assert docker.media_type == DOCKER_MANIFEST


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{" * 100_000,
        manifest(schemaVersion=1),
        manifest(config=None),
        manifest(layers=None),
        manifest(layers={}),
        manifest(layers=[layer()] * 300),
        manifest(layers=[layer(digest="sha256:../../etc/passwd")]),
        manifest(layers=[layer(digest="md5:" + "a" * 32)]),
        manifest(layers=[layer(size=-1)]),
        manifest(layers=[layer(size=True)]),
        manifest(layers=[layer(size=1 << 60)]),
        manifest(layers=[layer(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")]),
        manifest(config={"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": DIGEST, "size": 1}),
        manifest(manifests=[]),
        manifest(mediaType=OCI_INDEX),
    ],
)
def test_refuses_manifests_that_are_no_images(body: bytes) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse_manifest(body, name=NAME)
    assert NAME in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refuses_bytes_that_could_be_read_in_two_ways() -> None:
    with pytest.raises(InvalidSpec, match="calls itself"):
        parse_manifest(manifest(), media_type=DOCKER_MANIFEST, name=NAME)


def test_chooses_the_first_manifest_for_the_platform() -> None:
    body = index(
        {"os": "windows", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm", "variant": "v6"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "unknown", "architecture": "unknown"},
        media_type=DOCKER_LIST,
    )

    def chosen(platform: Platform) -> int:
        return int(choose_platform(body, platform, media_type=DOCKER_LIST, name=NAME).digest[7:], 16)

    assert chosen(Platform("linux", "arm", "v7")) == 2
    assert chosen(Platform("linux", "arm64")) == 3
    with pytest.raises(InvalidSpec, match=r"not made for linux/amd64 \(it has: linux/arm/v6, .*windows/amd64\)"):
        chosen(Platform("linux", "amd64"))


def test_reads_a_configuration() -> None:
    parsed = parse_config(
        json.dumps(
            {
                "os": "linux",
                "architecture": "amd64",
                "created": "2024-05-06T07:08:09.123456789Z",
                "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
                "config": {
                    "Entrypoint": ["/bin/a"],
                    "Cmd": None,
                    "Env": ["A=1"],
                    "WorkingDir": "/srv",
                    "User": "web",
                    "Labels": {"k": "v"},
                    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
                    "StopSignal": "SIGINT",
                },
            }
        ).encode(),
        name=NAME,
    )
    assert parsed.diff_ids == (DIGEST,)
    assert list(parsed.config.entrypoint) == ["/bin/a"]
    assert not parsed.config.cmd
    assert list(parsed.config.exposed_ports) == ["53/udp", "80/tcp"]
    assert dict(parsed.config.labels) == {"k": "v"}
    assert parsed.created is not None
    assert parsed.created.year == 2024


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"rootfs": {"diff_ids": "x"}},
        {"rootfs": {"diff_ids": ["x"]}},
        {"rootfs": {"diff_ids": []}, "config": {"Cmd": "sh"}},
        {"rootfs": {"diff_ids": []}, "config": {"Env": [1]}},
        {"rootfs": {"diff_ids": []}, "config": {"User": "\ud800"}},
    ],
)
def test_refuses_malformed_configurations(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match="configuration of"):
        parse_config(json.dumps(document).encode(), name=NAME)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(DIGEST) | st.just(OCI_MANIFEST),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "platform",
                         "rootfs", "diff_ids", "os", "Labels", "Env", "ExposedPorts", "created"]),
        inner,
        max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_whatever_a_registry_sends_is_read_or_refused(document: object) -> None:
    body = json.dumps(document).encode()
    for read in (
        lambda: parse_manifest(body, name=NAME),
        lambda: parse_config(body, name=NAME),
        lambda: choose_platform(body, Platform("linux", "amd64"), media_type="", name=NAME),
    ):
        try:
            read()
        except InvalidSpec:
            continue


def test_waits_grow_and_are_bounded() -> None:
    waits = list(Retry(attempts=6, first=1.0, longest=4.0).waits())
    assert len(waits) == 5
    for wait, bound in zip(waits, (1, 2, 4, 4, 4), strict=True):
        assert bound / 2 <= wait <= bound
    assert imposed_wait("7") == 7
    assert imposed_wait("99999") == LONGEST_IMPOSED_WAIT
    assert imposed_wait("Wed, 21 Oct 2026 07:28:00 GMT") == imposed_wait(None) == 0
