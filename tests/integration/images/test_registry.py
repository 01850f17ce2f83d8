"""The client against a real registry."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from shoal_common.errors import InvalidSpec, NotFound, Unavailable
from shoal_common.registry import Platform, Registry
from shoal_common.registry.manifests import OCI_INDEX, OCI_MANIFEST


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def pieces(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def whole(client: Registry, host: str, repository: str, digest: str, offset: int = 0) -> bytes:
    async with client.blob(host, repository, digest, offset=offset) as source:
        return b"".join([piece async for piece in source])


async def test_pushes_in_pieces_and_reads_back_from_any_offset(client: Registry, registry_server: Any) -> None:
    data = os.urandom(20_000_001)
    host = registry_server.host
    assert await client.push_blob(host, "team/big", None, pieces(data)) == (sha256(data), len(data))
    assert await client.has_blob(host, "team/big", sha256(data))
    assert not await client.has_blob(host, "team/other", sha256(b"nothing"))
    assert await whole(client, host, "team/big", sha256(data)) == data
    assert await whole(client, host, "team/big", sha256(data), 12_345_678) == data[12_345_678:]


async def test_pushes_a_file_and_an_empty_blob(client: Registry, registry_server: Any, tmp_path: Path) -> None:
    file = tmp_path / "blob"
    file.write_bytes(b"x" * 3_000_000)
    digest = sha256(b"x" * 3_000_000)
    assert await client.push_blob(registry_server.host, "a", digest, file) == (digest, 3_000_000)
    assert await client.push_blob(registry_server.host, "a", digest, file) == (digest, 3_000_000)
    assert await client.push_blob(registry_server.host, "a", None, pieces(b"")) == (sha256(b""), 0)


async def test_refuses_to_push_bytes_of_another_digest(client: Registry, registry_server: Any) -> None:
    with pytest.raises(InvalidSpec, match="was not pushed"):
        await client.push_blob(registry_server.host, "a", sha256(b"1"), pieces(b"2"))
    assert not await client.has_blob(registry_server.host, "a", sha256(b"2"))


async def test_resolves_tags_and_digests(
    client: Registry, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    image = await make_image("team/web", [b"\0" * 1024], tag="3")
    by_tag = await client.resolve(registry_server.host, "team/web", "3")
    assert by_tag.digest == image.digest
    assert by_tag.body == image.manifest
    assert (await client.resolve(registry_server.host, "team/web", image.digest)) == by_tag
    config = await client.config(registry_server.host, "team/web", by_tag.body)
    assert sha256(config) == image.config


async def test_follows_an_index_to_its_platform(
    client: Registry, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    image = await make_image("multi", [b"\0" * 1024], tag="one")
    host = Platform.of_host()
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": image.digest,
                    "size": len(image.manifest),
                    "platform": {"os": system, "architecture": architecture},
                }
                for system, architecture in (("plan9", "vax"), (host.os, host.architecture))
            ],
        }
    ).encode()
    await client.push_manifest(registry_server.host, "multi", "all", index, media_type=OCI_INDEX)
    assert (await client.resolve(registry_server.host, "multi", "all")).digest == image.digest
    other = Registry(insecure=[registry_server.host], platform=Platform("linux", "riscv64"))
    with pytest.raises(InvalidSpec, match=r"not made for linux/riscv64 \(it has: linux/.*, plan9/vax\)"):
        await other.resolve(registry_server.host, "multi", "all")
    await other.close()


async def test_lists_every_page_of_the_catalog(
    client: Registry, registry_server: Any, make_image: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shoal_common.registry.client.PAGE", 2)
    for number in range(5):
        await make_image(f"r{number}", [b"\0" * 1024])
    for tag in ("1", "2", "3"):
        await make_image("r0", [b"\0" * 1024], tag=tag)
    listed = [entry async for entry in client.catalog(registry_server.host)]
    assert sorted(listed) == sorted([("r0", t) for t in ("1", "2", "3")] + [(f"r{n}", "latest") for n in range(5)])


async def test_says_what_is_missing_and_what_to_do(client: Registry, registry_server: Any) -> None:
    host = registry_server.host
    with pytest.raises(NotFound) as unknown:
        await client.resolve(host, "web", "3")
    assert str(unknown.value) == (
        f'image "web:3" not found in registry {host} (import it with: shoal image import web:3 FILE)'
    )
    with pytest.raises(NotFound, match=r"layer sha256:0+ of image"):
        await whole(client, host, "web", "sha256:" + "0" * 64)
    registry_server.stop()
    with pytest.raises(Unavailable) as down:
        await client.resolve(host, "web", "3")
    assert "does not answer for image" in str(down.value)
    assert "\n" not in str(down.value)


async def test_refuses_a_manifest_with_other_bytes(
    client: Registry, registry_server: Any, make_image: Callable[..., Any]
) -> None:
    image = await make_image("web", [b"\0" * 1024])
    registry_server.blob_file(image.digest).write_bytes(image.manifest.replace(b"{", b"{ ", 1))
    with pytest.raises(InvalidSpec, match="other bytes"):
        await client.resolve(registry_server.host, "web", image.digest)
