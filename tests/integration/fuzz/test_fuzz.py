"""Some hundred hostile command lines and calls against a real controller, also of strangers and of nodes that lie.

`make soak` has thousands, in a lab.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fuzz.campaign import try_commands, try_messages
from tests.fuzz.liars import try_lying
from tests.fuzz.places import Place, bare
from tests.fuzz.strangers import try_joining

TRIES = range(400)
#: Of what is not to take as long.
FEW = range(200)
SEED = 1


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Command lines are carried out as nobody, who does not come through to what pytest makes.
    with TemporaryDirectory(prefix="shl-fuzz-") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[Place]:
    with bare(folder) as made:
        yield made


async def test_command_lines(place: Place, folder: Path) -> None:
    result = await try_commands(place, folder, seed=SEED, tries=TRIES)
    assert not result.wrong, result.text()
    assert result.ends["code 0"] > 20, result.text()
    assert result.ends["code 2"] > 100, result.text()


async def test_messages(place: Place) -> None:
    result = await try_messages(place, seed=SEED, tries=TRIES)
    assert not result.wrong, result.text()
    assert result.ends["OK"] > 20, result.text()
    assert result.ends["INVALID_ARGUMENT"] > 100, result.text()


async def test_strangers_who_want_to_join(place: Place) -> None:
    result = await try_joining(place, seed=SEED, tries=FEW)
    assert not result.wrong, result.text()
    assert result.ends["OK"] > 10, result.text()
    assert result.ends["UNAUTHENTICATED"] > 20, result.text()
    assert result.ends["INVALID_ARGUMENT"] > 20, result.text()


async def test_nodes_that_lie(place: Place) -> None:
    result = await try_lying(place, seed=SEED, tries=FEW)
    assert not result.wrong, result.text()
    # Sessions that were believed, or are over, and what no node may say.
    assert result.ends["OK"] > 40, result.text()
    assert result.ends["INVALID_ARGUMENT"] > 20, result.text()
