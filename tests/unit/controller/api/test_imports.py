from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from shoal_common.errors import InvalidSpec
from shoal_common.registry import parse_config, parse_manifest
from shoal_controller.api.images import imports
from shoal_proto.v1.image_pb2 import ImageConfig


def tar_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 100_000
            archive.addfile(entry, io.BytesIO(bytes(range(250)) * 400))
    return buffer.getvalue()


def layer_of(data: bytes, directory: Path) -> tuple[imports.Blob, str, bytes]:
    with imports.Spool(directory, "web:3") as spool:
        spool.write(data)
        with imports.make_layer(spool, directory, "web:3", threading.Event()) as layer:
            return layer.blob, layer.diff_id, b"".join(layer.pieces())


ROOT = tar_of("bin/sh", "/etc/passwd")


@pytest.mark.parametrize(
    "packed",
    [
        ROOT,
        gzip.compress(ROOT),
        gzip.compress(ROOT[:777]) + gzip.compress(ROOT[777:]) + b"\0" * 512,
        zstandard.compress(ROOT),
        zstandard.compress(ROOT[:777]) + zstandard.compress(ROOT[777:]),
    ],
    ids=["plain", "gzip", "gzip-members", "zstd", "zstd-frames"],
)
def test_makes_the_same_layer_of_the_same_tar_however_it_is_packed(packed: bytes, tmp_path: Path) -> None:
    blob, diff_id, data = layer_of(packed, tmp_path)
    assert gzip.decompress(data) == ROOT
    assert diff_id == f"sha256:{hashlib.sha256(ROOT).hexdigest()}"
    assert (blob.digest, blob.size) == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    assert blob == layer_of(ROOT, tmp_path)[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no tar at all" * 1000,
        ROOT[:60_000],
        gzip.compress(ROOT)[:-30],
        zstandard.compress(ROOT)[:-30],
        b"\x1f\x8b" + b"x" * 1000,
        tar_of(),
        tar_of("../escape"),
        tar_of("manifest.json", "repositories"),
    ],
    ids=["empty", "text", "cut", "cut-gzip", "cut-zstd", "bad-gzip", "no-entries", "leads-out", "docker-save"],
)
def test_refuses_what_is_no_root_file_system(packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec) as raised:
        layer_of(packed, tmp_path)
    assert 'image "web:3"' in raised.value.message
    assert list(tmp_path.iterdir()) == []


def test_stops_at_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_UNPACKED", len(ROOT) - 1)
    with pytest.raises(InvalidSpec, match="unpacks to more"):
        layer_of(gzip.compress(ROOT), tmp_path)
    monkeypatch.setattr(imports, "MAX_RECEIVED", 10)
    with pytest.raises(InvalidSpec, match="larger than"):
        layer_of(ROOT, tmp_path)


def test_gives_up_when_asked(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with imports.Spool(tmp_path, "web:3") as spool:
        spool.write(ROOT)
        with pytest.raises(imports.Cancelled):
            imports.make_layer(spool, tmp_path, "web:3", cancelled)


def test_writes_documents_that_our_own_client_of_registries_takes(tmp_path: Path) -> None:
    blob, diff_id, _ = layer_of(ROOT, tmp_path)
    config = ImageConfig(cmd=["sh"], env=["A=1"], labels={"b": "2", "a": "1"}, exposed_ports=["80/tcp"], user="0")
    created = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    made = imports.documents(config, architecture="amd64", created=created, layer=blob, diff_id=diff_id)
    assert made == imports.documents(config, architecture="amd64", created=created, layer=blob, diff_id=diff_id)
    parsed = parse_manifest(made.manifest, name="it")
    assert [layer.digest for layer in parsed.layers] == [blob.digest]
    assert parsed.config.digest == made.config_blob.digest
    told = parse_config(made.config, name="it")
    assert (told.config, told.diff_ids, told.created) == (config, (diff_id,), created)
