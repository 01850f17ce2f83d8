"""One lab for all tests that use the whole cluster, made when the first of them needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from shoal_lab.image import SERVE, root_filesystem
from tests.parts.lab import LabUnderTest

# For all property tests, with a hundred examples each: a busy machine is no fault of what is tested.
settings.register_profile(
    "patient", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("patient")

IMAGE = "test/web:1"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """Three nodes of 4 GiB and 8 cores, node1 labelled ssd=true; the image serves a page on port 80."""
    # Of its own for every test run, so that two can go on beside each other.
    subnet = f"10.{100 + os.getpid() // 256 % 100}.{os.getpid() % 256}.0/24"
    with made_lab(tmp_path_factory.mktemp("lab"), f"t{os.getpid()}", subnet, "--label", "node1:ssd=true") as made:
        yield made


@contextmanager
def made_lab(folder: Path, name: str, subnet: str, *options: str) -> Iterator[LabUnderTest]:
    """A lab of three nodes with the image in it, while the context lasts."""
    assert os.geteuid() == 0, "these tests need root (make test runs them so)"
    env = {"SHOAL_CONFIG": str(folder / "config.json")}
    lab = LabUnderTest(name, subnet, env, IMAGE, ("node1", "node2", "node3"))
    lab.shared.mkdir()
    binds = ("--allow-bind", f"node1:{lab.shared}", "--allow-bind", f"node2:{lab.shared}:ro")
    size = ("--node-memory", "4g", "--node-cpus", "8")
    lab.run("lab", "up", "--name", name, "--subnet", subnet, *size, *binds, *options)
    try:
        archive = folder / "web.tar"
        archive.write_bytes(root_filesystem())
        words = "".join(f'"{word}", ' for word in ("sh", "-c")) + '"' + SERVE.replace('"', '\\"') + '"'
        lab.run("image", "import", str(archive), IMAGE, "--cmd", f"[{words}]")
        yield lab
    finally:
        lab.run("lab", "down", "--name", name)


@pytest.fixture
def clean_lab(lab: LabUnderTest) -> Iterator[LabUnderTest]:
    """The lab, with no container in it before and after."""
    clear(lab)
    yield lab
    clear(lab)


def clear(lab: LabUnderTest) -> None:
    """Remove all containers."""
    # By their ids: what is lost has no name any more.
    ids = lab.out("ps", "-aq", "--no-trunc").split()
    if ids:
        lab.run("rm", "-f", *ids)
