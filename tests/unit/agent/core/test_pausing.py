"""When a container is frozen, and when it is let go. What crashes make of it: see `test_lifecycle.py`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoal_agent.core import planning
from shoal_agent.core.model import Observed, TaskState
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.node_pb2 import HoldRole
from tests.parts.planned import RECORD, WANTED

SEEN = Observed(task=TaskState.ALIVE)
FROZEN = replace(SEEN, frozen=True)


@pytest.mark.parametrize(
    ("wished", "told", "seen", "action"),
    [
        (False, False, SEEN, planning.Wait()),
        (True, False, SEEN, planning.Freeze()),
        # Frozen, and the agent ended before it could record it; thawed likewise.
        (True, False, FROZEN, planning.Freeze()),
        (True, True, SEEN, planning.Freeze()),
        (True, True, FROZEN, planning.Wait()),
        (False, True, FROZEN, planning.Thaw()),
        (False, True, SEEN, planning.Thaw()),
        (False, False, FROZEN, planning.Thaw()),
    ],
)
def test_is_made_what_was_asked(*, wished: bool, told: bool, seen: Observed, action: planning.Action) -> None:
    assert planning.plan(replace(RECORD, paused=told), replace(WANTED, paused=wished), seen, 0) == action


@pytest.mark.parametrize(
    "wish",
    [
        {"desired": DesiredState.DESIRED_STATE_STOPPED},
        {"desired": DesiredState.DESIRED_STATE_STOPPED, "stop_grace_ms": 0},
        {"run_admitted": 2},
        {"role": HoldRole.HOLD_ROLE_REMOVE, "desired": DesiredState.DESIRED_STATE_REMOVED},
        {"generation": 2},
    ],
)
def test_what_is_frozen_is_let_go_before_anything_else(wish: dict[str, int]) -> None:
    wanted = replace(WANTED, paused=True, **wish)  # type: ignore[arg-type]
    assert planning.plan(replace(RECORD, paused=True), wanted, FROZEN, 0) == planning.Thaw()
    stop = planning.plan(RECORD, wanted, SEEN, 0)
    assert isinstance(stop, planning.BeginStop | planning.Kill)


def test_what_no_hold_names_is_left_as_it_is() -> None:
    for paused in (True, False):
        seen = replace(SEEN, held=False, frozen=not paused)
        assert planning.plan(RECORD, replace(WANTED, paused=paused), seen, 0) == planning.Wait()
