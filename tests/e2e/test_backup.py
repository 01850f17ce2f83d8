"""The whole way back, as docs/guides/recovery.md tells it: backup, everything of controller and etcd gone, restore."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.parts.lab import SHOAL, LabUnderTest, eventually
from tests.parts.leftovers import assert_nothing_left
from tests.parts.store_loss import HOST, StoreOfLab, flags_of


def test_the_whole_way_back_from_a_backup(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    shoal = clean_lab
    for number, node in enumerate(shoal.nodes, start=1):
        here = ("--constraint", f"node.name=={node}")
        shoal.run("run", "-d", "--name", f"b{number}", "-e", f"SECRET=s{number}", *here, shoal.image)
    passphrase, backup = tmp_path / "passphrase", tmp_path / "shoal.backup"
    passphrase.write_text("correct horse battery staple\n")
    shoal.run("cluster", "backup", str(backup), "--passphrase-file", str(passphrase))
    assert backup.stat().st_mode & 0o777 == 0o600
    assert b"s1" not in backup.read_bytes() or b"SECRET=s1" not in backup.read_bytes()
    # After the backup: one more, one less, one changed.
    shoal.run("run", "-d", "--name", "later", "-e", "SECRET=later", shoal.image)
    shoal.run("rm", "-f", "b2")
    eventually(lambda: "b2" not in shoal.containers(), seconds=20, what="its removal")
    shoal.run("restart", "-t", "0", "b3")
    names = ("b1", "b3", "later")
    before = {name: shoal.inspect(name) for name in names}

    store = StoreOfLab(shoal)
    flags = flags_of(shoal, "-f", "controller --data-root")
    root = Path(dict(flags)["data-root"])
    etcd = [word for flag, value in flags if flag.startswith("etcd") for word in (f"--{flag}", value)]
    shoal.lab("kill", f"{HOST}/controller")
    store.stop()
    shutil.rmtree(root)
    shutil.rmtree(store.data)

    wrong = tmp_path / "wrong"
    wrong.write_text("another\n")
    words = ("controller", "restore", str(backup), "--data-root", str(root))
    refused = shoal.run(*words, "--passphrase-file", str(wrong), ok=False)
    assert "the passphrase does not open" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    done = shoal.run(*words, "--passphrase-file", str(passphrase))
    assert f"etcdutl snapshot restore {root}/snapshot.db" in done.stdout
    assert "shoal cluster recover --accept-restore" in done.stdout
    shoal.inside(HOST, *store.restore_command(root / "snapshot.db"))
    store.start()
    shoal.inside(HOST, SHOAL, "controller", "init", "--data-root", str(root), *etcd, "--address", shoal.control_address)
    shoal.lab("start", f"{HOST}/controller")
    said = eventually(lambda: _problems(shoal), seconds=30, what="what is wrong")
    assert "restored from the backup" in said[0]
    shoal.run("cluster", "recover", "--accept-restore", "--wait", "60", "--yes")

    for name in names:
        now = shoal.inspect(name)
        assert now["status"]["pid"] == before[name]["status"]["pid"], "it ran on"
        assert now["placement"]["addresses"] == before[name]["placement"]["addresses"]
        assert now["spec"]["config"]["env"] == before[name]["spec"]["config"]["env"]
        assert now["spec"]["run"] == before[name]["spec"]["run"]
    lost = shoal.inspect("b2")
    assert lost["phase"] == "CONTAINER_PHASE_FAILED"
    assert "lost" in lost["detail"]
    assert _problems(shoal) == []
    assert shoal.out("run", "--rm", shoal.image, "echo", "goes on") == "goes on"
    assert shoal.out("exec", "later", "sh", "-c", "echo $SECRET") == "later"
    assert os.listdir(root / "admin")
    shoal.run("rm", "-f", *shoal.containers())
    eventually(lambda: not shoal.containers(), seconds=30, what="the end of all")
    assert_nothing_left(shoal)


def _problems(lab: LabUnderTest) -> list[str]:
    done = lab.run("cluster", "info", "--format", "json", ok=None)
    return list(json.loads(done.stdout)["problems"]) if done.returncode == 0 else []
