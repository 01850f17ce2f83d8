"""An agent dies while users are at work. `python -m tests.kills` has a hundred operations."""

from __future__ import annotations

from pathlib import Path

from tests.kills.run import kill_agents
from tests.parts.lab import LabUnderTest

OPERATIONS = 24
SEED = 5


async def test_what_users_were_told_holds(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    result = await kill_agents(clean_lab, tmp_path, operations=OPERATIONS, seed=SEED)
    assert not result.wrong, result.text()
    assert result.kills == OPERATIONS // 4
    assert sum(count for how, count in result.ends.items() if how.endswith("done")) > OPERATIONS // 2, result.text()
