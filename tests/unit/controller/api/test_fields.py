from __future__ import annotations

import pytest

from shoal_common.errors import InvalidSpec, NotFound
from shoal_controller.api.validation import fields
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerRef,
    CreateContainerRequest,
    Dns,
    ExecStart,
    NetworkMode,
    PortMapping,
    RestartMode,
    RestartPolicy,
    TerminalSize,
)
from shoal_proto.v1.resources_pb2 import Resources, StringList


def request(**config: object) -> CreateContainerRequest:
    made = ContainerConfig(image="web:3")
    made.MergeFrom(ContainerConfig(**config))  # type: ignore[arg-type]
    return CreateContainerRequest(id="a" * 64, name="web", config=made)


def test_leaves_a_good_request_as_it_is_but_for_what_was_left_out() -> None:
    asked = request(env=["A=1", "B="], hostname="a-b.c", user="0:0", constraints=["node.labels.ssd==true"])
    config = fields.create_request(asked)
    assert config.network == NetworkMode.NETWORK_MODE_DEFAULT
    config.network = NetworkMode.NETWORK_MODE_UNSPECIFIED
    assert config == asked.config


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"image": "Web:3"}, '"Web:3"'),
        ({"env": ["=x"]}, "NAME=VALUE"),
        ({"env": ["A"]}, '"A"'),
        ({"working_dir": "srv"}, '"srv"'),
        ({"user": "a b"}, '"a b"'),
        ({"labels": {"a b": "c"}}, '"a b"'),
        ({"stdin_once": True}, "open_stdin"),
        ({"terminal_size": TerminalSize(columns=80, rows=24)}, "set tty as well"),
        ({"tty": True, "terminal_size": TerminalSize(columns=70000, rows=24)}, "70000 columns"),
        ({"hostname": "-a"}, '"-a"'),
        ({"hostname": "a" * 65}, "64 characters"),
        ({"resources": Resources(memory_bytes=1 << 20)}, "1 MiB"),
        ({"resources": Resources(memory_bytes=-1)}, "memory"),
        ({"resources": Resources(cpu_millis=1)}, "0.001"),
        ({"resources": Resources(pids=-1)}, "pids"),
        ({"constraints": ["node.rack==1"]}, "node.rack==1"),
        ({"constraints": ["node.id=1"]}, "node.id=1"),
        ({"stop_signal": "SIGNOPE"}, "SIGNOPE"),
        ({"stop_timeout_seconds": 1 << 31}, "stop timeout"),
        ({"runtime": "../x"}, "../x"),
        ({"restart": RestartPolicy(mode=99)}, "99"),  # type: ignore[arg-type]
        ({"restart": RestartPolicy(mode=RestartMode.RESTART_MODE_ALWAYS, maximum_retries=3)}, "on-failure"),
        ({"restart": RestartPolicy(maximum_retries=3)}, "on-failure"),
        ({"restart": RestartPolicy(mode=RestartMode.RESTART_MODE_ALWAYS), "auto_remove": True}, "--rm"),
        ({"args": ["a\0b"]}, "NUL"),
        ({"entrypoint": StringList(values=["\0"])}, "NUL"),
        ({"args": ["x" * fields.MAX_CONFIG]}, "512 KiB"),
        ({"ports": [PortMapping(container_first=70000)]}, "65535"),
        ({"ports": [PortMapping(host_first=80, container_first=80, protocol="sctp")]}, "tcp or udp"),
        ({"ports": [PortMapping(host_first=80, container_first=80)] * 2}, "80/tcp"),
        ({"ports": [PortMapping(container_first=80)], "network": NetworkMode.NETWORK_MODE_NONE}, "--network"),
        ({"publish_all": True, "network": NetworkMode.NETWORK_MODE_NONE}, "--network"),
        ({"exposed_ports": ["80/sctp"]}, "80/sctp"),
        ({"dns": Dns(servers=["x"])}, '"x"'),
        ({"dns": Dns(search=["a b"])}, '"a b"'),
        ({"dns": Dns(options=["a\nb"])}, "option"),
        ({"extra_hosts": ["db"]}, '"db"'),
        ({"extra_hosts": ["db:10.0.0.7"] * 300}, "300"),
        ({"extra_hosts": ["n:host-gateway"], "network": NetworkMode.NETWORK_MODE_NONE}, "host-gateway"),
    ],
)
def test_names_the_field_and_its_value(config: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        fields.create_request(request(**config))
    assert named in raised.value.message
    assert "\n" not in raised.value.message


def test_never_repeats_the_value_of_an_environment_variable() -> None:
    with pytest.raises(InvalidSpec) as raised:
        fields.create_request(request(env=["PASSWORD=hunter2\0"]))
    assert "hunter2" not in raised.value.message


@pytest.mark.parametrize(("name", "id_"), [("", "a" * 64), ("-a", "a" * 64), ("web", "A" * 64), ("b" * 64, "a" * 64)])
def test_refuses_bad_names_and_ids(name: str, id_: str) -> None:
    with pytest.raises(InvalidSpec):
        fields.create_request(CreateContainerRequest(id=id_, name=name, config=ContainerConfig(image="web")))


def test_knows_one_namespace() -> None:
    assert fields.namespace("") == fields.namespace("default") == "default"
    with pytest.raises(NotFound):
        fields.namespace("../names")


def test_filters_labels_by_key_and_by_value() -> None:
    fits = fields.label_filter(["a", "b=1"])
    assert fits({"a": "x", "b": "1"})
    assert not fits({"a": "x", "b": "2"})
    assert not fits({"b": "1"})
    with pytest.raises(InvalidSpec):
        fields.label_filter(["=1"])


@pytest.mark.parametrize(
    ("start", "named"),
    [
        (ExecStart(), "names no command"),
        (ExecStart(args=["id"], privileged=True), "more privileges than the container"),
        (ExecStart(args=["id"], env=["=x"]), "NAME=VALUE"),
        (ExecStart(args=["id"], working_dir="srv"), '"srv"'),
    ],
)
def test_a_command_that_can_never_run_is_refused(start: ExecStart, named: str) -> None:
    start.container.ref = "web"
    with pytest.raises(InvalidSpec, match=named):
        fields.exec_start(start)


def test_a_good_command_is_let_through() -> None:
    fields.exec_start(ExecStart(container=ContainerRef(ref="web"), args=["id"], user="0", working_dir="/"))
