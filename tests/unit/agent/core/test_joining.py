from __future__ import annotations

from dataclasses import replace

import pytest

from shoal_agent.core.joining import is_coming
from shoal_agent.core.lifecycle import EXITED, FAILED, NONE, PREPARING, READY, RUNNING, STARTING, STOPPING
from shoal_agent.core.model import Remembered, Wanted
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.node_pb2 import HoldRole
from tests.parts import planned
from tests.parts.planned import WANTED

RECORD = replace(planned.RECORD, state=EXITED)
MORE = replace(WANTED, run_admitted=2)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        *((replace(RECORD, state=state), MORE) for state in (NONE, PREPARING, READY, EXITED, FAILED)),
        (replace(RECORD, restart_due_ms=5), WANTED),
        (replace(RECORD, state=STARTING, start_pending=True), WANTED),
        # What ran when its host went down; its policy is asked next.
        (replace(RECORD, state=RUNNING, this_boot=False), WANTED),
    ],
)
def test_what_is_about_to_run_is_waited_for(record: Remembered, wanted: Wanted) -> None:
    assert is_coming(record, wanted)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (RECORD, WANTED),
        (replace(RECORD, state=RUNNING), WANTED),
        (replace(RECORD, state=STOPPING), MORE),
        (RECORD, replace(MORE, desired=DesiredState.DESIRED_STATE_STOPPED)),
        (RECORD, replace(MORE, role=HoldRole.HOLD_ROLE_REMOVE)),
        (replace(RECORD, removing=True), MORE),
        (replace(RECORD, state=READY), replace(WANTED, desired=DesiredState.DESIRED_STATE_CREATED)),
    ],
)
def test_nothing_else_is_waited_for(record: Remembered, wanted: Wanted) -> None:
    assert not is_coming(record, wanted)
