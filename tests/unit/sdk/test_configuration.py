"""Contexts, options and names: what needs no cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import shoal
from shoal.configuration import Configuration, choose_context
from shoal.names import random_name
from shoal_common.ids import check_name
from shoal_proto.v1.container_pb2 import RestartMode, RestartPolicy


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shoal" / "config.json"
    monkeypatch.setenv("SHOAL_CONFIG", str(path))
    monkeypatch.delenv("SHOAL_CONTEXT", raising=False)
    return path


def put(path: Path, data: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data))


REMOTE = {"endpoints": ["h:7400"], "ca": "ca.pem", "certificate": "/c.pem", "key": "k.pem"}


def test_the_order_in_which_a_context_is_chosen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, {"current": "a", "contexts": dict.fromkeys("abc", REMOTE)})
    assert choose_context().name == "a"
    monkeypatch.setenv("SHOAL_CONTEXT", "b")
    assert choose_context().name == "b"
    assert choose_context("c").name == "c"
    assert choose_context("c").ca == path.parent / "ca.pem"
    with pytest.raises(shoal.NotFound, match=r'"d" is not in .* \(there: a, b, c\)'):
        choose_context("d")


def test_without_configuration_the_local_socket_or_advice(path: Path, tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    with pytest.raises(shoal.NotFound, match="shoal lab up"):
        choose_context(local_socket=socket)
    socket.touch()
    assert choose_context(local_socket=socket).socket == socket


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"contexts": []},
        {"current": 1, "contexts": {}},
        {"contexts": {"a": {}}},
        {"contexts": {"a": 1}},
        {"contexts": {"a": {"endpoints": ["h"]}}},
        {"contexts": {"a": {"endpoints": ["h:1"]}}},
        {"contexts": {"a": {**REMOTE, "ca": 1}}},
    ],
)
def test_a_wrong_configuration_is_named(path: Path, data: object) -> None:
    put(path, data)
    with pytest.raises(shoal.InvalidSpec):
        Configuration.load()


def test_contexts_are_stored_used_and_removed(path: Path) -> None:
    Configuration.load().put(shoal.Context(name="here", socket=Path("/s")), current=True)
    Configuration.load().put(shoal.Context(name="there", socket=Path("/t")), current=False)
    assert Configuration.load().current == "here"
    Configuration.load().use("there")
    assert Configuration.load().remove("there").current == ""
    assert set(Configuration.load().contexts) == {"here"}
    assert [each.name for each in path.parent.iterdir()] == ["config.json"]


def test_options_become_the_message() -> None:
    config = shoal.configure("web:3", ["a"], {"memory": "64m", "cpus": 0.5, "env": {"A": "1"}, "entrypoint": []})
    assert (config.resources.memory_bytes, config.resources.cpu_millis) == (64 << 20, 500)
    assert list(config.env) == ["A=1"]
    assert config.HasField("entrypoint")
    assert not config.HasField("stop_timeout_seconds")
    assert not config.HasField("restart")
    assert shoal.configure("web", [], {"restart": "on-failure:3"}).restart == RestartPolicy(
        mode=RestartMode.RESTART_MODE_ON_FAILURE, maximum_retries=3
    )


@pytest.mark.parametrize(
    "options", [{"memory": 1}, {"cpus": "x"}, {"env": ["A"]}, {"pids_limit": 0}, {"restart": "on"}]
)
def test_options_that_can_never_be_right_are_refused(options: shoal.ContainerOptions) -> None:
    with pytest.raises(shoal.InvalidSpec):
        shoal.configure("web", [], options)


def test_random_names_are_names() -> None:
    names = {random_name() for _ in range(200)}
    assert len(names) == 200
    for name in names:
        check_name("container", name)
