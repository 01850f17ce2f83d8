"""Bad input: one line that names object, cause and remedy, the documented exit code, nothing left."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.parts.lab import LabUnderTest

CASES = [
    (("run", "-d", "test/none:1"), 125, "test/none:1"),
    (("run", "-d", "UPPER/case"), 2, "UPPER/case"),
    (("run", "-d", "--name", "no spaces", "IMAGE"), 2, "no spaces"),
    (("run", "-d", "--memory", "much", "IMAGE"), 2, "much"),
    (("run", "-d", "--memory", "1k", "IMAGE"), 2, "memory"),
    (("run", "-d", "--cpus", "-1", "IMAGE"), 2, "-1"),
    (("run", "-d", "--constraint", "ssd", "IMAGE"), 125, "ssd"),
    (("run", "-d", "--stop-signal", "SIGNONE", "IMAGE"), 125, "SIGNONE"),
    (("start", "nobody"), 1, "nobody"),
    (("stop", "nobody"), 1, "nobody"),
    (("rm", "nobody"), 1, "nobody"),
    (("logs", "nobody"), 1, "nobody"),
    (("inspect", "nobody"), 1, "nobody"),
    (("exec", "nobody", "true"), 125, "nobody"),
    (("node", "inspect", "nowhere"), 1, "nowhere"),
    (("image", "inspect", "test/none:1"), 1, "test/none:1"),
]


@pytest.mark.parametrize(("words", "code", "named"), CASES, ids=lambda value: str(value)[:40])
def test_is_refused_in_one_line(clean_lab: LabUnderTest, words: tuple[str, ...], code: int, named: str) -> None:
    done = clean_lab.run(*(clean_lab.image if word == "IMAGE" else word for word in words), ok=False)
    assert done.returncode == code, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert named in lines[0]
    # inspect prints what it found, as docker does.
    assert done.stdout.strip() in ("", "[]")
    assert not clean_lab.containers()


def test_a_taken_name_is_told_and_changes_nothing(clean_lab: LabUnderTest) -> None:
    first = clean_lab.out("run", "-d", "--name", "mine", clean_lab.image)
    done = clean_lab.run("run", "-d", "--name", "mine", clean_lab.image, ok=False)
    assert done.returncode == 125
    assert len(done.stderr.strip().splitlines()) == 1
    assert "mine" in done.stderr
    assert first[:12] in done.stderr
    assert [each["spec"]["id"] for each in clean_lab.containers().values()] == [first]


def test_a_running_container_is_not_removed_without_force(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-d", "--name", "busy", clean_lab.image)
    done = clean_lab.run("rm", "busy", ok=False)
    assert "busy" in done.stderr
    assert "-f" in done.stderr
    assert clean_lab.inspect("busy")["phase"] == "CONTAINER_PHASE_RUNNING"


def test_an_unreachable_controller_is_named(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("config")
    with open(lab.env["SHOAL_CONFIG"], encoding="utf-8") as file:
        config = json.load(file)
    config["contexts"][config["current"]]["endpoints"] = ["127.0.0.1:1"]
    (folder / "config.json").write_text(json.dumps(config))
    elsewhere = LabUnderTest(lab.name, lab.subnet, {"SHOAL_CONFIG": str(folder / "config.json")}, lab.image)
    for words, code in ((("ps",), 1), (("run", "--rm", lab.image, "true"), 125)):
        done: subprocess.CompletedProcess[str] = elsewhere.run(*words, ok=False, timeout=60)
        assert done.returncode == code
        assert "127.0.0.1:1" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_usage_errors_exit_with_2(lab: LabUnderTest) -> None:
    assert lab.run("run", ok=False).returncode == 2
    assert lab.run("no-such-command", ok=False).returncode == 2
