"""Lists, sizes and `inspect`, as somebody who comes from Docker uses them."""

from __future__ import annotations

import json

from tests.parts.lab import LabUnderTest, eventually


def test_lists_and_documents_tell_what_docker_s_do(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.run(
        "run", "-d", "--name", "web", "--constraint", "node.name==node1", "-l", "tier=front", "-p", "8080", lab.image
    )
    write = "head -c 3000000 /dev/zero >/made; exit 7"
    assert (
        lab.run(
            "run", "--name", "job", "--constraint", "node.name==node2", lab.image, "sh", "-c", write, ok=None
        ).returncode
        == 7
    )
    assert lab.run("run", "--name", "oops", "--network", "none", lab.image, "nosuch", ok=None).returncode == 127

    def names(*words: str) -> list[str]:
        return lab.out("ps", "--format", "{{.Names}}", *words).split()

    assert names() == ["web"]
    assert names("-f", "status=exited", "-f", "status=failed") == ["oops", "job"]
    assert names("-f", "exited=7", "-f", "node=node2", "-f", "name=^j") == ["job"]
    assert names("-a", "-f", "since=web", "-f", "network=none") == ["oops"]
    assert names("-l") == ["oops"]
    assert names("-n", "2") == ["oops", "job"]
    refused = lab.run("ps", "-aq", "-f", "status=gone", ok=None)
    assert (refused.returncode, refused.stdout) == (2, "")
    # A list that is to be removed is never longer than what was asked for.
    assert lab.run("ps", "-aq", "-f", "before=nobody", ok=None).stdout == ""

    table = lab.out("ps", "-a", "--format", r'table {{.Names}}\t{{.State}}\t{{.Label "tier"}}').splitlines()
    assert [line.split() for line in table] == [
        ["NAMES", "STATE", "TIER"],
        ["oops", "failed"],
        ["job", "exited"],
        ["web", "running", "front"],
    ]
    shown = "{{.State.Status}} {{.State.ExitCode}} {{.Node.Name}}"
    assert lab.out("inspect", "-f", shown, "job", "web").splitlines() == ["exited 7 node2", "running 0 node1"]
    port = lab.out(
        "inspect", "-f", "{{range $p, $b := .NetworkSettings.Ports}}{{$p}} {{(index $b 0).HostPort}}{{end}}", "web"
    )
    assert port.split()[0] == "8080/tcp"
    assert lab.out("port", "web", "8080").endswith(f":{port.split()[1]}")
    address = lab.out("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web")
    assert address in lab.out("exec", "web", "cat", "/proc/net/fib_trie").split()
    (document,) = json.loads(lab.out("inspect", "web"))
    assert document["Config"]["Labels"] == {"tier": "front"}
    assert document["Id"] == lab.inspect("web")["spec"]["id"]

    def sizes() -> dict[str, str]:
        lines = lab.out("ps", "-as", "--format", "{{.Names}}={{.Size}}").splitlines()
        return {name: size for name, _, size in (line.partition("=") for line in lines)}

    assert sizes()["job"].startswith("2.8")
    lab.lab("kill", "node2")
    try:
        # Neither an error, nor a wait for what does not answer.
        eventually(lambda: sizes()["job"] == "unknown", seconds=20, what="an unknown size")
        assert sizes()["web"] != "unknown"
    finally:
        lab.lab("start", "node2")
