"""The planted bugs can still be planted."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from tests.soak.plants import NAMES, PLANTS, ROOT, Plant, change


@pytest.mark.parametrize("plant", PLANTS, ids=NAMES)
def test_a_plant_fits_the_product(plant: Plant, tmp_path: Path) -> None:
    copy = tmp_path / plant.file
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / plant.file, copy)
    change(plant, tmp_path)
    ast.parse(copy.read_text())
    assert copy.read_text() != (ROOT / plant.file).read_text()


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(PLANTS)
