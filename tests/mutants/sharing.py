"""Mutants of what containers share, and with whom."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

SHARING: Final = (
    Mutant(
        "joined-from-elsewhere",
        "controller/shoal_controller/core/joining.py",
        "return bool(self.node) and self.node == node.id",
        "return bool(self.node)",
        "tests/unit/controller/core/test_joining.py::test_it_goes_where_the_other_one_is",
        "a container is sent to a node where there is nothing of the one that it joins",
    ),
    Mutant(
        "joined-by-number",
        "agent/shoal_agent/runtime/shared.py",
        "if (status.st_dev, status.st_ino) != wanted.identity:",
        "if status is None:",
        "tests/unit/agent/runtime/test_shared.py::test_nothing_runs_in_another_namespace_than_the_one_that_was_found",
        "a container runs among the processes of whoever got the id of the one that it joins",
    ),
    Mutant(
        "private-ipc-joined",
        "common/shoal_common/containers/namespaces.py",
        "if joins_ipc(config) and theirs.ipc.mode != SharingMode.SHARING_MODE_SHAREABLE:",
        "if False:",
        "tests/unit/agent/containers/test_neighbours.py::test_an_ipc_that_is_not_shareable_is_not_joined",
        "anybody gets at the shared memory of a container that never offered it",
    ),
    Mutant(
        "ids-given-out-while-joined",
        "agent/shoal_agent/sandbox/sandboxes.py",
        "if not any(each.uid_base == claim.uid_base for each in self._claims.values()):",
        "if True:",
        "tests/integration/agent_sandbox/test_sandboxes.py"
        "::test_joining[joined_network_is_the_same_and_outlives_neither_link_nor_ids]",
        "a stranger gets the ids of a container that lives on",
    ),
    Mutant(
        "root-of-the-node-by-joining",
        "common/shoal_common/containers/namespaces.py",
        "if theirs.security.host_users:",
        "if False:",
        "tests/unit/agent/containers/test_neighbours.py::test_whom_no_controller_would_let_it_join_it_does_not_join",
        "whoever joins a container with its node's users is root of the node, and nobody allowed it",
    ),
    Mutant(
        "copies-wait-for-ever",
        "agent/shoal_agent/copying/jobs.py",
        "        async with asyncio.timeout(_SILENCE):\n",
        "        async with asyncio.timeout(None):\n",
        "tests/unit/agent/copying/test_copy_jobs.py::test_who_says_nothing_is_given_up_and_gone",
        "a container with a file system that never answers keeps every copy of it, and its process",
    ),
    Mutant(
        "unchecked-is-run",
        "agent/shoal_agent/containers/runtime_host.py",
        "            raise StartFailed(RUNTIME_FAILED, why_not)\n",
        "            pass\n",
        "tests/unit/agent/containers/test_unchecked.py::test_it_neither_prepares_nor_starts_it",
        "an older controller makes a privileged container, and a newer node runs it",
    ),
    Mutant(
        "checked-once-for-all",
        "common/shoal_common/containers/permissions.py",
        "    need = missing(config, permissions)\n",
        "    need = missing(config, permissions) if not permissions else None\n",
        "tests/unit/common/containers/test_permissions.py::test_what_was_stored_runs_only_as_far_as_it_was_checked",
        "a controller that has checked one thing answers for another that it knows nothing of",
    ),
)
