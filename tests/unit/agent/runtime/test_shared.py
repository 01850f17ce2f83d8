from __future__ import annotations

import os
from pathlib import Path

import pytest

from shoal_agent.kernel import processes
from shoal_agent.runtime.shared import Namespace, Shared, check_joined, namespaces_of
from shoal_common.errors import Conflict

OWN = os.getpid()


def test_a_process_is_told_from_another_of_its_id() -> None:
    found = namespaces_of(OWN, processes.start_time(OWN), ("pid", "ipc"))
    assert {kind: each.path for kind, each in found.items()} == {
        "pid": Path(f"/proc/{OWN}/ns/pid"),
        "ipc": Path(f"/proc/{OWN}/ns/ipc"),
    }
    with pytest.raises(Conflict, match="just ended"):
        namespaces_of(OWN, processes.start_time(OWN) + 1, ("pid",))


def test_nothing_runs_in_another_namespace_than_the_one_that_was_found() -> None:
    found = namespaces_of(OWN, processes.start_time(OWN), ("pid", "ipc"))
    assert check_joined(OWN, Shared(joined=found)) == ""
    wrong = Namespace(found["ipc"].path, (found["ipc"].identity[0], found["ipc"].identity[1] + 1))
    assert "its ipc namespace is not" in check_joined(OWN, Shared(joined={**found, "ipc": wrong}))
