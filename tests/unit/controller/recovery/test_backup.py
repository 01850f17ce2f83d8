"""A backup is unpacked whole or not at all, beside nothing that is another cluster's."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shoal_common.errors import Conflict, InvalidSpec, NotFound, PermissionDenied, Unavailable
from shoal_controller.core.store_health import Mark, StoreView, problem
from shoal_controller.pki.authority import Authority
from shoal_controller.recovery import archive
from shoal_controller.recovery.backup import FILES, Backup, restore
from shoal_controller.recovery.mark import MarkFile
from shoal_controller.settings import ControllerFiles
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.maintenance import Maintenance, Piece
from shoal_controller.state.store import encode
from shoal_proto.v1.cluster_pb2 import Cluster
from tests.fakes.kv import FakeKV
from tests.fakes.leading import CLUSTER_ID, Rig

DATABASE = bytes(range(256)) * 3000
SNAPSHOT = DATABASE + hashlib.sha256(DATABASE).digest()


class Snapshots(Maintenance):
    def __init__(self, snapshot: bytes) -> None:
        super().__init__(Endpoints(("127.0.0.1:1",)))
        self.whole = snapshot

    async def snapshot(self) -> AsyncGenerator[Piece, None]:
        for at in range(0, len(self.whole), 100_000):
            yield Piece(self.whole[at : at + 100_000], max(0, len(self.whole) - at - 100_000), 77)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_LOG_N", 10)


@pytest.fixture
def controller(tmp_path: Path) -> ControllerFiles:
    files = ControllerFiles(tmp_path / "controller")
    files.root.mkdir()
    Authority.create(CLUSTER_ID, datetime.now(UTC)).save(files.root)
    files.seal_key.write_bytes(bytes(32))
    return files


async def backed_up(path: Path, controller: ControllerFiles, snapshot: bytes = SNAPSHOT) -> None:
    rig = Rig(FakeKV())
    cache = ClusterCache(rig.kv)
    await rig.put(keys.cluster(), encode(Cluster(schema=1, id=CLUSTER_ID, epoch=3, subnet="10.88.0.0/16")))
    cache._swap(await cache._list())
    backup = Backup(cache, Snapshots(snapshot), controller)
    path.write_bytes(b"".join([piece async for piece in backup.stream("correct horse")]))


async def test_what_was_backed_up_is_what_is_restored(tmp_path: Path, controller: ControllerFiles) -> None:
    path, restored = tmp_path / "backup", ControllerFiles(tmp_path / "new")
    await backed_up(path, controller)
    manifest = restore(path, "correct horse", restored)
    assert (manifest.cluster, manifest.epoch, manifest.revision) == (CLUSTER_ID, 3, 77)
    for name in FILES:
        assert (restored.root / name).read_bytes() == (controller.root / name).read_bytes()
        assert (restored.root / name).stat().st_mode & 0o777 == 0o600
    assert (restored.root / "snapshot.db").read_bytes() == SNAPSHOT
    assert sorted(each.name for each in restored.root.iterdir()) == sorted([*FILES, "snapshot.db", "store-mark.json"])
    # A controller that is started on it knows that this is old state, whatever else it sees.
    mark = MarkFile(restored.store_mark, CLUSTER_ID).load()
    said = problem(CLUSTER_ID, mark, StoreView(CLUSTER_ID, 3, 500, recovering=False))
    assert "shoal cluster recover --accept-restore" in said
    assert problem(CLUSTER_ID, mark, StoreView(CLUSTER_ID, 4, 500, recovering=False)) == ""
    # Again, over itself.
    restore(path, "correct horse", restored)
    for secret in (b"BEGIN PRIVATE", CLUSTER_ID.encode()):
        assert secret not in path.read_bytes()


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
async def test_of_a_backup_that_is_cut_nothing_is_put_anywhere(
    tmp_path: Path, controller: ControllerFiles, kept: float
) -> None:
    path, restored = tmp_path / "backup", ControllerFiles(tmp_path / "new")
    await backed_up(path, controller)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InvalidSpec):
        restore(path, "correct horse", restored)
    assert list(restored.root.iterdir()) == []


async def test_a_wrong_passphrase_no_file_and_another_cluster_are_refused(
    tmp_path: Path, controller: ControllerFiles
) -> None:
    path, restored = tmp_path / "backup", ControllerFiles(tmp_path / "new")
    await backed_up(path, controller)
    with pytest.raises(PermissionDenied, match="passphrase"):
        restore(path, "wrong", restored)
    with pytest.raises(NotFound):
        restore(tmp_path / "none", "x", restored)
    Authority.create("other", datetime.now(UTC)).save(restored.root)
    with pytest.raises(Conflict, match="another cluster's"):
        restore(path, "correct horse", restored)


async def test_a_snapshot_that_etcd_did_not_send_whole_is_no_backup(
    tmp_path: Path, controller: ControllerFiles
) -> None:
    with pytest.raises(Unavailable, match="not whole"):
        await backed_up(tmp_path / "backup", controller, SNAPSHOT[:-1])


def test_a_damaged_mark_is_said_and_another_clusters_does_not_count(tmp_path: Path) -> None:
    file = MarkFile(tmp_path / "mark", "a")
    file.save(Mark(2, 30, "why"))
    assert file.load() == Mark(2, 30, "why")
    assert MarkFile(tmp_path / "mark", "b").load() == Mark()
    (tmp_path / "mark").write_text("{")
    with pytest.raises(Exception, match="damaged"):
        file.load()
