"""Mutants of copies: what a container's files may be mistaken for."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_ARCHIVES: Final = "common/shoal_common/archives"
_TESTS: Final = "tests/unit/common/test_archives.py"

COPYING: Final = (
    Mutant(
        "archives-lead-upwards",
        f"{_ARCHIVES}/placing.py",
        '    if b".." in parts:\n',
        "    if not parts:\n",
        f"{_TESTS}::test_no_name_leads_upwards",
        "a container's tar writes over its user's files",
    ),
    Mutant(
        "links-of-an-archive-are-followed",
        f"{_ARCHIVES}/placing.py",
        "_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
        "_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC",
        f"{_TESTS}::test_nothing_is_written_through_a_link_of_the_archive",
        "a container's tar writes wherever a link in it leads",
    ),
    Mutant(
        "hard-links-to-what-was-there",
        f"{_ARCHIVES}/placing.py",
        "if target is None or target not in self._placed:",
        "if target is None:",
        f"{_TESTS}::test_no_hard_link_to_what_was_there_before",
        "a container's tar gets hold of files beside it",
    ),
    Mutant(
        "cut-off-copies-count",
        f"{_ARCHIVES}/placing.py",
        "if not stream.complete:",
        "if stream is None:",
        f"{_TESTS}::test_a_tar_without_its_end_is_cut_off",
        "half a copy passes for all of it",
    ),
    Mutant(
        "links-in-the-place-of-files-are-packed",
        f"{_ARCHIVES}/packing.py",
        "_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW |",
        "_OPEN: Final = os.O_RDONLY |",
        f"{_TESTS}::test_a_link_that_takes_the_place_of_a_file_is_not_read",
        "what a link leads to is read in the place of the file that was there",
    ),
    Mutant(
        "what-was-deleted-comes-back",
        "agent/shoal_agent/core/changes.py",
        "return Kind.DELETED if image is not None else None",
        "return None",
        "tests/unit/agent/copying/test_writable.py::test_a_whiteout_of_nothing_is_no_change",
        "a commit has the files that the container has deleted",
    ),
    Mutant(
        "opaque-directories-hide-nothing",
        "agent/shoal_agent/copying/writable.py",
        "if level.image and is_opaque(level.opened):",
        "if level.image and not level.opened:",
        "tests/unit/agent/copying/test_writable.py::test_a_directory_made_anew_hides_what_was_in_it",
        "a commit has what was in a directory that the container made anew",
    ),
    Mutant(
        "files-are-reached-before-a-start",
        "agent/shoal_agent/core/planning.py",
        "if observed.reach and not due and record.state",
        "if observed.reach and record.state",
        "tests/unit/agent/containers/test_reaching.py::test_a_start_goes_before_who_asks_for_files",
        "whoever copies all the time keeps a container from starting",
    ),
    Mutant(
        "devices-in-writable-layers-are-opened",
        "agent/shoal_agent/copying/inside.py",
        "MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC",
        "MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NOEXEC",
        "tests/integration/agent_copying/test_beside.py::test_a_device_that_takes_the_place_of_a_file_is_not_opened",
        "a container has a device of its node opened by the node's root",
    ),
    Mutant(
        "modes-are-set-by-name",
        f"{_ARCHIVES}/placing.py",
        "_set_mode(step_inside(parent, name), 0o755)",
        "os.chmod(name, 0o755, dir_fd=parent)",
        f"{_TESTS}::test_a_directory_on_the_way_that_turns_into_a_link_changes_nothing_behind_it",
        "whoever has the directory that is copied to opens up what is not his",
    ),
    Mutant(
        "owners-that-are-none-become-roots",
        f"{_ARCHIVES}/placing.py",
        "if ids and _NO_ID in (entry.uid, entry.gid):",
        "if ids and _NO_ID == entry.device:",
        f"{_TESTS}::test_what_no_file_can_have_is_told_and_leaves_nothing",
        "a file of nobody's becomes root's",
    ),
    Mutant(
        "the-first-reader-lets-go",
        "agent/shoal_agent/copying/entrances.py",
        "            if not self._keepers[key]:\n",
        "            if self._keepers[key] >= 0:\n",
        "tests/unit/agent/copying/test_entrances.py::test_what_two_read_is_let_go_when_both_are_done",
        "a layer has halves of what a container wrote while it was packed",
    ),
)
