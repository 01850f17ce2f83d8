"""Bugs that are planted to see whether a run finds them, and the copy of the product that has one.

Nothing of the checkout is changed: the lab's daemons are started from the copy, by a command of its own.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final
from unittest.mock import patch

from shoal_lab import daemons

ROOT: Final = Path(__file__).parents[2]

_LAUNCHER: Final = """\
#!{python}
import sys

sys.path[:0] = {paths!r}
from shoal_cli.main import main

main()
"""


@dataclass(frozen=True, slots=True)
class Plant:
    """One bug.

    Attributes:
        name: what is wrong.
        file: from the top of the repository.
        original: text that is in the file exactly once.
        replacement: what it becomes.
        found_by: the check that must notice; anything else that is found doesn't count.
        why: what it does to a cluster.
    """

    name: str
    file: str
    original: str
    replacement: str
    found_by: str
    why: str


PLANTS: Final = (
    Plant(
        "fence",
        "controller/shoal_controller/state/wire.py",
        "    if txn.leader is not None:\n",
        "    if txn.leader == 0:\n",
        "proposals",
        "a leader that was stopped in the middle of a write and followed writes over its follower",
    ),
    Plant(
        "ledger",
        "controller/shoal_controller/state/wire.py",
        "for key, revision in txn.expected.items():",
        'for key, revision in (each for each in txn.expected.items() if not each[0].endswith("/ledger")):',
        "proposals",
        "a placement that lands late books room that was given away meanwhile",
    ),
    Plant(
        "adoption",
        "agent/shoal_agent/runtime/tasks.py",
        'while others := [one for one in self.groups.processes("supervisors", str(key)) if one != monitor]:',
        "while others := [one for one in () if one != monitor]:",
        "starts",
        "a start that an agent left under way is taken for none, and made again beside it",
    ),
    Plant(
        "status-order",
        "common/shoal_common/status.py",
        "return (status.generation, status.attempt, status.state, status.report)",
        "return (status.generation, status.attempt, status.state, 0)",
        "convergence",
        "what a node says anew of the same state is acknowledged and lost",
    ),
    Plant(
        "address",
        "controller/shoal_controller/leader/commit.py",
        "                hold.role = role\n",
        "                hold.role = role\n"
        "                for each in hold.addresses:\n"
        "                    taken = self._cache.addresses.get((each.network, each.ip))\n"
        "                    if taken is not None:\n"
        "                        self._put(keys.address(each.network, each.ip), taken, None)\n",
        "addresses",
        "an address is given to another while its container may still run",
    ),
    Plant(
        "tombstone",
        "controller/shoal_controller/leader/commit.py",
        "        self._put(key, self._cache.tombstones.get((namespace, container)), tombstone)\n"
        "        self._leased.add(key)\n",
        "",
        "tombstones",
        "who waits for the exit code of run --rm never gets it, and a create told again creates again",
    ),
    Plant(
        "booking",
        "controller/shoal_controller/api/containers/changing.py",
        "more = raised(reserved, amounts(self._limits)) - reserved if reserved else NOTHING",
        "more = NOTHING",
        "bookings",
        "an update gives a container memory that is given to others as well",
    ),
)
NAMES: Final = tuple(plant.name for plant in PLANTS)


def plant_of(name: str) -> Plant:
    """Return the plant of that name."""
    return next(plant for plant in PLANTS if plant.name == name)


def change(plant: Plant, tree: Path) -> None:
    """Plant the bug in a copy of the product.

    Raises:
        ValueError: the product has changed.
    """
    path = tree / plant.file
    text = path.read_text()
    if (found := text.count(plant.original)) != 1:
        raise ValueError(
            f"{plant.file} has the text of plant {plant.name} {found} times: bring tests/soak/plants.py up to date"
        )
    path.write_text(text.replace(plant.original, plant.replacement))


@contextmanager
def planted(plant: Plant, tree: Path) -> Iterator[None]:
    """Have the daemons of labs started from a copy with the bug, made in `tree`, an empty directory.

    Raises:
        ValueError: the product has changed; or, at the end, no daemon has run what was changed.
    """
    packages: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "dev-mode-dirs"
    ]
    for name in packages:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    change(plant, tree)
    launcher = tree / "shoal"
    launcher.write_text(_LAUNCHER.format(python=sys.executable, paths=[str(tree / name) for name in packages]))
    launcher.chmod(0o700)
    with patch.object(daemons, "SHOAL", str(launcher)):
        yield
    # Nothing was compiled in this tree before: what has been compiled was imported.
    if not Path(cache_from_source(str(tree / plant.file))).exists():
        raise ValueError(f"no daemon has run the copy of {plant.file}")
