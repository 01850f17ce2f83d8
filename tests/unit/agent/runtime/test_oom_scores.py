"""Whom the kernel kills first: what a container gets beside what its agent has."""

from __future__ import annotations

import subprocess

import pytest

from shoal_agent.runtime.bundle import process_section
from shoal_agent.runtime.confinement import Confinement, confinement_of
from shoal_agent.runtime.oom_scores import OwnScore, adjustment, own_score, scored
from shoal_agent.runtime.users import User
from shoal_common.containers.ulimits import NAMES
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.resources_pb2 import Resources


@pytest.mark.parametrize(
    ("asked", "own", "given"),
    [
        (0, OwnScore(0, lowers=False), None),
        (300, OwnScore(0, lowers=False), 300),
        (300, OwnScore(300, lowers=False), None),
        (-300, OwnScore(0, lowers=True), -300),
        (-300, OwnScore(-300, lowers=False), None),
        # What protects the agent is not its containers', who get what Docker's get where that can be.
        (0, OwnScore(-900, lowers=False), 0),
        (0, OwnScore(200, lowers=True), 0),
        (0, OwnScore(200, lowers=False), None),
        (-300, OwnScore(-900, lowers=False), -300),
    ],
)
def test_what_is_given(asked: int, own: OwnScore, given: int | None) -> None:
    assert adjustment(asked, own) == given


@pytest.mark.parametrize(("asked", "own"), [(-1, 0), (-1000, -999), (100, 200)])
def test_less_than_its_own_is_refused_with_both_numbers(asked: int, own: int) -> None:
    with pytest.raises(InvalidSpec, match=f"of {asked} is less than this node's agent's own of {own} .*SYS_RESOURCE"):
        adjustment(asked, OwnScore(own, lowers=False))
    assert adjustment(asked, OwnScore(own, lowers=True)) == asked


def test_without_the_capability_nobody_lowers() -> None:
    assert not own_score(frozenset({"CAP_SYS_ADMIN"})).lowers


def test_commands_that_are_executed_later_have_it_too() -> None:
    config = ContainerConfig(resources=Resources(oom_score_adjust=300))
    own = dict.fromkeys(NAMES, -1)
    again = Confinement.decode(confinement_of(config, own).encode())
    assert again.oom_score == 300
    section = process_section(args=["true"], env=[], cwd="/", user=User(0, 0, (), "/"), confinement=again)
    assert section["oomScoreAdj"] == 300
    # What an agent of an older version wrote says nothing of it.
    old = confinement_of(ContainerConfig(), own).encode()
    del old["oom_score"]
    assert Confinement.decode(old).oom_score is None


def test_a_command_gives_itself_its_score_before_it_is_anything_else() -> None:
    look = ["cat", "/proc/self/oom_score_adj", "a b"]
    assert scored(None, look) == look
    done = subprocess.run(scored(777, look[:2]), capture_output=True, text=True, check=True)
    assert done.stdout == "777\n"
    assert subprocess.run(scored(5000, look[:2]), capture_output=True, check=False).returncode == 125
