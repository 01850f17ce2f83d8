"""A controller in this process, and ways to reach it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import shoal
from shoal_common.identity import Role
from tests.fakes.api import Authority, FakeController, State, serving


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def state() -> State:
    return State()


@pytest.fixture
async def controller(state: State, authority: Authority) -> AsyncIterator[FakeController]:
    async for each in serving(state, authority):
        yield each


@pytest.fixture
async def second(state: State, authority: Authority) -> AsyncIterator[FakeController]:
    async for each in serving(state, authority):
        yield each


@pytest.fixture(scope="session")
def client(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("tester", Role.ADMIN)


@pytest.fixture
def context(controller: FakeController, authority: Authority, client: tuple[Path, Path]) -> shoal.Context:
    return shoal.Context(
        name="test", endpoints=(controller.address,), ca=authority.ca, certificate=client[0], key=client[1]
    )


@pytest.fixture
async def cluster(context: shoal.Context) -> AsyncIterator[shoal.Cluster]:
    async with shoal.connect(context) as each:
        yield each


@pytest.fixture
def configuration(context: shoal.Context, tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"current": "test", "contexts": {"test": context.as_json()}}))
    return path
