"""A real registry (Distribution), images made for tests, and a store to pull into."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from shoal_common.registry import Registry, Retry
from shoal_common.registry.manifests import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Platform

_BINARY = shutil.which("docker-registry")


class RegistryServer:
    """One docker-registry process on a port of its own; it can be stopped and started again."""

    def __init__(self, root: Path) -> None:
        if _BINARY is None:
            raise RuntimeError("docker-registry is missing (apt-get install docker-registry)")
        self.root = root
        self.storage = root / "storage"
        self._log = root / "access.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        self._config = root / "config.yml"
        self._config.write_text(
            json.dumps(
                {
                    "version": "0.1",
                    "log": {"accesslog": {"disabled": False}, "level": "error"},
                    "storage": {"filesystem": {"rootdirectory": str(self.storage)}, "delete": {"enabled": True}},
                    "http": {"addr": self.host, "secret": "of-the-tests"},
                }
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(_BINARY), "serve", str(self._config)],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
            )
        deadline = time.monotonic() + 15
        while True:
            try:
                with urllib.request.urlopen(f"http://{self.host}/v2/", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def fetches(self, digest: str) -> int:
        """Say how often a blob or manifest was fetched (GET), by the access log."""
        return sum("GET" in line and digest in line for line in self._log.read_text(errors="replace").splitlines())

    def blob_file(self, digest: str) -> Path:
        """The file in which this registry keeps a blob."""
        hexadecimal = digest.removeprefix("sha256:")
        return self.storage / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"


@dataclass(frozen=True)
class MadeImage:
    repository: str
    digest: str
    manifest: bytes
    config: str
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar_of(files: dict[str, bytes]) -> bytes:
    """A layer with these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


async def bytes_of(data: bytes, piece: int = 1 << 20) -> AsyncIterator[bytes]:
    for start in range(0, len(data), piece):
        yield data[start : start + piece]


class ImageMaker:
    """Pushes images to the test's registry."""

    def __init__(self, client: Registry, host: str) -> None:
        self._client = client
        self._host = host

    async def __call__(
        self,
        repository: str,
        tars: Sequence[bytes],
        *,
        compressed: Sequence[bytes] | None = None,
        media_types: Sequence[str] | None = None,
        diff_ids: Sequence[str] | None = None,
        tag: str = "latest",
    ) -> MadeImage:
        blobs = list(compressed) if compressed is not None else [gzip.compress(tar, 1, mtime=0) for tar in tars]
        types = media_types or [OCI_LAYER_GZIP] * len(blobs)
        told = tuple(diff_ids or map(digest_of, tars))
        platform = Platform.of_host()
        config = json.dumps(
            {
                "os": platform.os,
                "architecture": platform.architecture,
                "config": {"Cmd": ["true"], "Env": ["A=b"]},
                "rootfs": {"type": "layers", "diff_ids": told},
            }
        ).encode()
        for blob in (*blobs, config):
            await self._client.push_blob(self._host, repository, digest_of(blob), bytes_of(blob))
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
                "layers": [
                    {"mediaType": kind, "digest": digest_of(blob), "size": len(blob)}
                    for kind, blob in zip(types, blobs, strict=True)
                ],
            }
        ).encode()
        digest = await self._client.push_manifest(self._host, repository, tag, manifest)
        return MadeImage(repository, digest, manifest, digest_of(config), tuple(map(digest_of, blobs)), told)


@pytest.fixture
def registry_server(tmp_path: Path) -> Iterator[RegistryServer]:
    root = tmp_path / "registry"
    root.mkdir()
    server = RegistryServer(root)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def client(registry_server: RegistryServer) -> AsyncIterator[Registry]:
    registry = Registry(insecure=[registry_server.host], retry=Retry(attempts=4, first=0.05, longest=0.2))
    yield registry
    await registry.close()
    # aiohttp closes its sockets in the loop's next turn.
    await asyncio.sleep(0)


@pytest.fixture
def make_image(client: Registry, registry_server: RegistryServer) -> ImageMaker:
    return ImageMaker(client, registry_server.host)
