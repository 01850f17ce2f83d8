"""Mutants of what containers are held to, and of the policy that says what may be loosened."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_API: Final = "controller/shoal_controller/api"
_RUNTIME: Final = "agent/shoal_agent/runtime"

CONFINEMENT: Final = (
    Mutant(
        "created-by-a-policy-of-yesterday",
        f"{_API}/containers/creation.py",
        "                txn.require(keys.policy(), revision=policy)\n",
        "                pass\n",
        "tests/integration/api/test_policy.py::test_what_is_denied_while_it_is_created_is_not_created",
        "a controller that lags behind creates what an administrator has just denied",
    ),
    Mutant(
        "policy-knows-only-the-last-change",
        f"{_API}/policy.py",
        "sorted((set(policy.allowed) | allow) - deny)",
        "sorted(allow - deny)",
        "tests/integration/api/test_policy.py::test_an_update_is_made_once_and_keeps_what_a_newer_version_allows",
        "every change of the policy takes back all that was allowed before",
    ),
    Mutant(
        "capabilities-need-no-leave",
        "common/shoal_common/containers/permissions.py",
        "if further := [name for name in security.cap_add if not is_default(name)]:",
        "if further := [name for name in security.cap_add if name == 'ALL']:",
        "tests/unit/common/containers/test_permissions.py::test_what_loosens_needs_its_own_permission_and_no_other",
        "anybody adds any single capability",
    ),
    Mutant(
        "any-profile-passes-for-the-standard-one",
        f"{_RUNTIME}/confinement.py",
        "return self.seccomp == compile_profile(capabilities.DEFAULT)",
        "return True",
        "tests/unit/agent/runtime/test_confinement.py::test_only_the_standard_profile_passes_for_the_standard_profile",
        "containers get the compiled system call filter of whichever was started first",
    ),
    Mutant(
        "null-device-left-to-the-container",
        f"{_RUNTIME}/null_device.py",
        "        os.chown(null, 0, 0)\n",
        "        pass\n",
        "tests/integration/agent_runtime/test_tasks.py::test_tasks[crun-host_devices]",
        "any container takes /dev/null from its host and all others with one chmod",
    ),
    Mutant(
        "devices-with-every-use",
        f"{_RUNTIME}/devices.py",
        '"access": self.permissions,',
        '"access": "rwm",',
        "tests/unit/agent/runtime/test_bundle.py::test_devices_are_nodes_of_its_own_and_nothing_else_may_be_opened",
        "a device that was given to be read can be written to",
    ),
    Mutant(
        "executed-with-more",
        f"{_RUNTIME}/confinement.py",
        'capabilities=frozenset(value["capabilities"]),',
        "capabilities=capabilities.DEFAULT,",
        "tests/unit/agent/runtime/test_confinement.py::test_what_is_executed_later_is_held_to_the_same",
        "exec gives back the capabilities that a container was to do without",
    ),
)
