"""What lists and `inspect` write, without a cluster."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest

from shoal_cli import formats, rows
from shoal_cli.documents import cluster, containers, images, kinds, volumes
from shoal_proto.v1 import cluster_pb2, image_pb2, node_pb2, volume_pb2
from shoal_proto.v1 import container_pb2 as pb
from shoal_proto.v1.resources_pb2 import Address, Resources


def container() -> pb.Container:
    config = pb.ContainerConfig(
        image="web:3",
        args=["-c", "run it"],
        env=["A=1"],
        labels={"tier": "front", "com.example/x": "\x1b[31m"},
        resources=Resources(memory_bytes=64 << 20, cpu_millis=500),
        restart=pb.RestartPolicy(mode=pb.RESTART_MODE_ON_FAILURE, maximum_retries=3),
        mounts=[
            pb.Mount(kind=pb.MOUNT_KIND_VOLUME, source="data", target="/data", read_only=True),
            pb.Mount(kind=pb.MOUNT_KIND_TMPFS, target="/tmp"),
        ],
        ports=[pb.PortMapping(host_first=8080, host_last=8080, container_first=80, container_last=80)],
        exposed_ports=["9090/tcp"],
    )
    made = pb.Container(
        spec=pb.ContainerSpec(id="ab" * 32, name="web", config=config, image_digest="sha256:" + "0" * 64),
        placement=pb.ContainerPlacement(
            node="n" * 64,
            addresses=[Address(network="default", ip="10.88.0.7", prefix_length=16, gateway="10.88.0.1")],
            ports=[pb.PortBinding(host_port=8080, container_port=80, protocol="tcp")],
        ),
        status=pb.ContainerStatus(
            command=["sh", "-c", "run it"], exit_code=137, oom_killed=True, restarts=2, health=pb.HEALTH_STATE_UNHEALTHY
        ),
        phase=pb.CONTAINER_PHASE_EXITED,
        node_name="node1",
        node_address="10.77.0.11",
    )
    made.spec.created_at.FromNanoseconds(1_700_000_000_123_456_789)
    made.status.finished_at.FromSeconds(1_700_000_100)
    return made


def inspected(template: str) -> str:
    return formats.expand(template, containers.document(container()))


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{.Id}}", "ab" * 32),
        ("{{.Name}} {{slice .Name 1}}", "/web web"),
        ("{{.State.Status}} {{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}", "exited false 137 true"),
        ("{{.State.StartedAt}} {{.State.FinishedAt}}", "0001-01-01T00:00:00Z 2023-11-14T22:15:00Z"),
        ("{{.Created}}", "2023-11-14T22:13:20.123456789Z"),
        ("{{.State.Health.Status}} {{.RestartCount}}", "unhealthy 2"),
        ('{{.Path}} {{join .Args ","}} {{.Config.Cmd}}', "sh -c,run it [-c run it]"),
        (
            '{{index .Config.Labels "tier"}}|{{index .Config.Labels "none"}}|{{.Config.Labels.none}}',
            "front||<no value>",
        ),
        (
            "{{range .Mounts}}{{.Type}}:{{.Name}}{{.Source}}:{{.Destination}}:{{.RW}} {{end}}",
            "volume:data:/data:false tmpfs::/tmp:true ",
        ),
        ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\n"),
        ("{{.NetworkSettings.IPAddress}}", "10.88.0.7"),
        ("{{range .NetworkSettings.Networks}}{{.IPAddress}}/{{.IPPrefixLen}}{{end}}", "10.88.0.7/16"),
        ('{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"),
        (
            "{{range $p, $c := .NetworkSettings.Ports}}{{$p}}->{{range $c}}{{.HostIp}}:{{.HostPort}}{{end}} {{end}}",
            "80/tcp->10.77.0.11:8080 9090/tcp-> ",
        ),
        ("{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}", "on-failure:3"),
        ("{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.NetworkMode}}", "67108864 500000000 default"),
        (
            "{{json .HostConfig.PortBindings}} {{.HostConfig.Binds}}",
            '{"80/tcp":[{"HostIp":"","HostPort":"8080"}]} [data:/data:ro]',
        ),
        ("{{.Node.Name}} {{.node_name}} {{.spec.config.image}} {{.status.oom_killed}}", "node1 node1 web:3 true"),
        ("{{.placement.addresses.0.ip}}", "10.88.0.7"),
        ("{{if .SizeRw}}{{.SizeRw}}{{else}}unknown{{end}}", "unknown"),
    ],
)
def test_inspect_has_what_docker_s_has(template: str, made: str) -> None:
    assert inspected(template) == made


def test_the_document_is_json_that_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    formats.inspect([container()], None, containers.document)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    (document,) = json.loads(shown)
    assert document["Config"]["Labels"]["com.example/x"] == "\x1b[31m"
    # Docker's names only; the API's object is what json shows.
    assert all(name[0].isupper() for name in document)
    formats.inspect([container()], "json", containers.document)
    assert json.loads(capsys.readouterr().out)[0]["spec"]["id"] == "ab" * 32


def test_health_that_nobody_checks_is_not_there_but_can_be_asked_for() -> None:
    one = container()
    one.status.health = pb.HEALTH_STATE_UNSPECIFIED
    document = containers.document(one)
    assert "Health" not in json.loads(formats.expand("{{json .State}}", document))
    assert formats.expand("{{if .State.Health}}x{{else}}none{{end}}", document) == "none"
    with pytest.raises(click.UsageError, match='"Status" is asked of what is not set'):
        formats.expand("{{.State.Health.Status}}", document)


def test_a_container_of_which_nothing_is_known_yet_has_a_document() -> None:
    document = containers.document(pb.Container(phase=pb.CONTAINER_PHASE_PENDING, detail="3 nodes: 3 lack memory"))
    shown = formats.expand(
        "{{.State.Status}} {{.State.Phase}} {{.State.Error}} {{.NetworkSettings.IPAddress}}", document
    )
    assert shown == "created pending 3 nodes: 3 lack memory "
    assert formats.expand("{{.status.exit_code}}", document) == "<no value>"


@pytest.mark.parametrize(
    ("phase", "status", "running"),
    [
        (pb.CONTAINER_PHASE_RUNNING, "running", True),
        (pb.CONTAINER_PHASE_STOPPING, "running", True),
        (pb.CONTAINER_PHASE_PAUSED, "paused", True),
        (pb.CONTAINER_PHASE_RESTARTING, "restarting", True),
        (pb.CONTAINER_PHASE_FAILED, "exited", False),
        (pb.CONTAINER_PHASE_LOST, "dead", False),
        (1000, "unknown", False),
    ],
)
def test_states_have_docker_s_words(phase: Any, status: str, running: bool) -> None:
    one = container()
    one.phase, one.detail = phase, "node down 3 s"
    state: Any = containers.document(one)["State"]
    assert (state["Status"], state["Running"]) == (status, running)
    assert state["Error"] == ("" if running else "node down 3 s")


def listed(form: str, capsys: pytest.CaptureFixture[str]) -> str:
    columns = rows.container_columns(1_700_000_200, whole=False)
    formats.show([container()], form, columns, rows.CONTAINER_HEADINGS, lambda one: one.spec.config.labels)
    return capsys.readouterr().out


def test_sizes_are_shown_where_they_are_known() -> None:
    one = container()
    column = rows.container_columns(0, whole=False)["Size"][1]
    assert column(one) == "unknown"
    one.writable_bytes, one.root_bytes = 0, 3 << 20
    assert column(one) == "0 B (virtual 3 MiB)"
    assert formats.expand("{{.SizeRw}} {{.SizeRootFs}}", containers.document(one)) == f"0 {3 << 20}"


def test_lists_show_columns_and_tables_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed("{{.ID}} {{.Names}} {{.State}}", capsys) == "abababababab web exited\n"
    assert listed(r'table {{.Names}}\t{{.Image}}\t{{.Label "tier"}}', capsys) == (
        "NAMES   IMAGE   TIER\nweb     web:3   front\n"
    )
    assert json.loads(listed("{{json .}}", capsys))["Mounts"] == "data,/tmp"
    assert json.loads(listed("json", capsys))["spec"]["name"] == "web"
    assert listed('{{.Label "com.example/x"}}', capsys) == "\\x1b[31m\n"
    with pytest.raises(click.UsageError, match=r'no field "Id" \(there are: ID, Image, '):
        listed("{{.Id}}", capsys)


def test_other_documents() -> None:
    image = image_pb2.Image(
        reference="10.0.0.1:5000/team/web:3",
        digest="sha256:" + "1" * 64,
        config_digest="sha256:" + "2" * 64,
        config=image_pb2.ImageConfig(cmd=["sh"], exposed_ports=["80/tcp"]),
        layers=[image_pb2.Layer(diff_id="sha256:" + "3" * 64)],
    )
    found = formats.expand("{{.RepoTags}} {{index .RepoDigests 0}} {{.Config.Cmd}}", images.document(image))
    assert found == f"[10.0.0.1:5000/team/web:3] 10.0.0.1:5000/team/web@sha256:{'1' * 64} [sh]"
    assert formats.expand("{{len .RootFS.Layers}} {{.digest}}", images.document(image)) == f"1 {image.digest}"
    volume = volume_pb2.Volume(spec=volume_pb2.VolumeSpec(name="data", driver="local"), node_name="node1")
    assert formats.expand("{{.Name}} {{.Driver}} {{.Node}}", volumes.document(volume)) == "data local node1"
    info = cluster_pb2.ClusterInfo(containers=5, containers_running=3, nodes_ready=2)
    found = formats.expand("{{.Containers}} {{.ContainersStopped}} {{.nodes_ready}}", cluster.info_document(info))
    assert found == "5 2 2"
    version = cluster.version_document(
        {"version": "1", "api": "v1"}, cluster_pb2.GetVersionResponse(version="2"), {"client": {"version": "1"}}
    )
    assert formats.expand("{{.Client.Version}} {{.Server.Version}} {{.client.version}}", version) == "1 2 1"


def test_what_docker_has_nothing_of_is_shown_as_the_api_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    node = node_pb2.Node(spec=node_pb2.NodeSpec(id="n" * 64, name="node1"))
    formats.inspect([node, container()], None, kinds.document)
    shown = json.loads(capsys.readouterr().out)
    assert (shown[0]["spec"]["name"], shown[1]["Name"]) == ("node1", "/web")
    formats.inspect([node], "{{.spec.name}} {{.status.state}}", kinds.document)
    assert capsys.readouterr().out == "node1 <no value>\n"
