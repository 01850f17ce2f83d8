"""Controllers over a real etcd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.parts.controller import Controller, initialise
from tests.parts.etcd import EtcdServer


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("shl-daemon-etcd")) as server:
        yield server


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, etcd: EtcdServer) -> Path:
    """The files of a cluster that was made."""
    root = tmp_path_factory.mktemp("shl-daemon") / "controller"
    initialise(root, etcd)
    return root


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[Path, str], Controller]]:
    """Returns controllers for (files, URL of etcd) that are not started yet; what runs at the end is killed."""
    made: list[Controller] = []

    def controller(root: Path, etcd: str) -> Controller:
        number = len(made)
        made.append(Controller(root, etcd, tmp_path / f"api{number}.sock", tmp_path / f"log{number}"))
        made[-1].log.touch()
        return made[-1]

    yield controller
    for each in made:
        each.kill()
