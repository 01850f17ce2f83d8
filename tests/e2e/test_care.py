"""What takes room on the nodes of a cluster, and how it is got back, as a person does it."""

from __future__ import annotations

import json

from tests.parts.lab import LabUnderTest


def rows(lab: LabUnderTest) -> dict[str, list[str]]:
    """The table's rows by type: total, active, size and reclaimable, sizes in bytes of the node that has them."""
    lines = lab.out("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Reclaimable}}").splitlines()
    return {line.split("|")[0]: line.split("|")[1:] for line in lines}


def test_what_takes_room_is_seen_and_got_back(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.out("run", "-d", "--name", "web", lab.image, "sleep", "1000")
    script = "dd if=/dev/urandom of=/big bs=1M count=3; dd if=/dev/urandom of=/own/f bs=1M count=2"
    lab.run("run", "--name", "job", "-v", "/own", lab.image, "sh", "-c", script)
    found = rows(lab)
    assert found["Containers"][:2] == ["2", "1"]
    assert found["Containers"][2].startswith("3.0")
    assert found["Local Volumes"][:2] == ["1", "1"]
    whole = json.loads(lab.out("system", "df", "--format", "json"))
    assert sum(int(node["volume_bytes"]) for node in whole["nodes"]) == 2 << 20
    assert not any(node["problem"] for node in whole["nodes"])
    (sized,) = lab.out("volume", "ls", "--size", "--format", "{{.Size}}").splitlines()
    assert sized == "2 MiB"
    asked = lab.run("system", "prune", "--volumes", ok=False, input=b"n\n")
    assert asked.returncode == 1
    assert "all containers that do not run" in asked.stderr
    assert lab.run("system", "prune", "--volumes", "--filter", "until=1h", ok=False).returncode == 2
    assert set(lab.containers()) == {"web", "job"}
    said = lab.out("system", "prune", "--all", "--volumes", "-f").splitlines()
    assert {"Deleted Containers:", "Deleted Volumes:"} <= set(said)
    assert said[-1].startswith("Total reclaimed space: ")
    assert said[-1].endswith(" MiB")
    assert set(lab.containers()) == {"web"}
    found = rows(lab)
    assert found["Containers"][:2] == ["1", "1"]
    assert found["Local Volumes"][0] == "0"
    # Only what runs keeps its image on its node; the registry has all of them still.
    assert found["Images"][:2] == ["1", "1"]
    assert lab.out("run", "--rm", lab.image, "echo", "again") == "again"
