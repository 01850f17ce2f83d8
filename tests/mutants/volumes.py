"""Mutants of what keeps volumes' data, and of what may be mounted."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_CONTROLLER: Final = "controller/shoal_controller"
_AGENT: Final = "agent/shoal_agent"
_CORE_TESTS: Final = "tests/unit/controller/core/test_volumes.py"
_DRAFT_TESTS: Final = "tests/unit/controller/leader/test_volume_draft.py"

VOLUMES: Final = (
    Mutant(
        "volume-is-no-filter",
        f"{_CONTROLLER}/core/volumes.py",
        "return self.volume is not None and not self.volume.lost and self.volume.node == node.id",
        "return self.volume is not None and not self.volume.lost",
        f"{_CORE_TESTS}::test_users_go_where_the_data_is",
        "a container starts with an empty directory on a node that does not have its data",
    ),
    Mutant(
        "volume-pinned-by-nobody",
        f"{_CONTROLLER}/core/scheduler.py",
        "self._volumes |= pinned(container, self._volumes, self._nodes[best])",
        "pass",
        f"{_CORE_TESTS}::test_the_first_user_decides_for_those_after_it_in_the_same_plan",
        "two containers that share a new volume are sent to two nodes",
    ),
    Mutant(
        "named-volume-goes-with-a-container",
        f"{_CONTROLLER}/core/volumes.py",
        "if view is not None and view.owner == container.id and not view.removed:",
        "if view is not None and not view.removed:",
        f"{_CORE_TESTS}::test_own_volumes_go_before_the_container_is_told_to_and_only_if_asked",
        "rm -v removes the data of a volume that was given a name",
    ),
    Mutant(
        "node-departs-with-data",
        f"{_CONTROLLER}/core/removal.py",
        "if not node.holds and node.id not in data:",
        "if not node.holds:",
        f"{_CORE_TESTS}::test_data_is_lost_only_by_force_and_before_its_node_departs",
        "a node is forgotten with data that nobody gave up",
    ),
    Mutant(
        "volume-forgotten-while-named",
        f"{_CONTROLLER}/core/volumes.py",
        "if volume.id not in named:",
        "if True:",
        f"{_CORE_TESTS}::test_a_volume_without_data_is_forgotten_when_nobody_names_it",
        "a container waits for ever for a volume that is not there",
    ),
    Mutant(
        "placement-does-not-compare-the-volume",
        f"{_CONTROLLER}/leader/volume_draft.py",
        "            self._require(keys.volume_spec(entry.namespace, volume), spec)\n            key",
        "            key",
        f"{_DRAFT_TESTS}::test_a_placement_is_refused_if_its_volume_changed",
        "a container is placed with a volume that was removed meanwhile",
    ),
    Mutant(
        "node-told-to-remove-what-is-used",
        f"{_CONTROLLER}/leader/volume_draft.py",
        "tuple(sorted(set(volumes) - named.keys()))",
        "tuple(sorted(set(volumes)))",
        f"{_DRAFT_TESTS}::test_a_node_is_told_to_remove_only_what_no_container_names",
        "data is removed under a container that is still there",
    ),
    Mutant(
        "any-node-may-say-that-a-volume-is-gone",
        f"{_CONTROLLER}/leader/volume_draft.py",
        "if entry.spec.value.removed and entry.placement.value.node == node",
        "if entry.spec.value.removed",
        f"{_DRAFT_TESTS}::test_what_is_not_to_go_stays_whatever_a_node_says",
        "an agent that errs makes the cluster forget a volume that another node still has to remove",
    ),
    Mutant(
        "mount-over-proc",
        "common/shoal_common/containers/mounts.py",
        'if path in _DEVICES or any(path == top or path.startswith(f"{top}/") for top in _KERNEL):',
        "if path in _DEVICES:",
        "tests/unit/common/containers/test_mounts.py::test_bad_volumes",
        "a volume over /proc takes the container's masked paths away",
    ),
    Mutant(
        "image-link-leads-a-mount-over-proc",
        f"{_AGENT}/runtime/mount_points.py",
        "check_target(_followed(root, target))",
        "check_target(target)",
        "tests/unit/agent/runtime/test_mounts.py::test_a_link_of_the_image_leads_no_mount_over_what_the_kernel_shows",
        "an image leads its volume over /proc (CVE-2019-16884)",
    ),
    Mutant(
        "bind-to-write-where-only-reading-is-allowed",
        f"{_AGENT}/volumes/binds.py",
        "for each in allowed if read_only or not each.read_only]",
        "for each in allowed]",
        "tests/unit/agent/volumes/test_binds.py::test_nothing_else",
        "a container writes to what its node only lets be read",
    ),
    Mutant(
        "bind-beside-what-is-allowed",
        f"{_AGENT}/volumes/binds.py",
        'top = self.path.rstrip("/") + "/"',
        'top = self.path.rstrip("/")',
        "tests/unit/agent/volumes/test_binds.py::test_nothing_else",
        "/srv/www allows /srv/www-secret as well",
    ),
    Mutant(
        "filling-throws-away-what-a-container-wrote",
        f"{_AGENT}/volumes/store.py",
        "if not os.path.lexists(data / entry.name):",
        "if True:",
        "tests/integration/agent_sandbox/test_sandboxes.py::test_volumes[what_was_whole_is_moved_and_takes_nothing_away]",
        "an agent that died while it filled a volume costs another container its files",
    ),
    Mutant(
        "older-agents-start-what-they-half-know",
        "controller/shoal_controller/core/filters.py",
        "return node.knows >= self.field",
        "return self.field > 0",
        "tests/unit/controller/core/test_filters.py::test_what_an_older_agent_does_not_know_goes_elsewhere",
        "a database starts without its volume, on a node whose agent knows nothing of volumes",
    ),
)
