"""Changes the product in one place, and expects the test that guards this place to fail.

Every trial has a copy of the tree and a pytest process of its own; two run at a time. A trial without a mutant is the
control: the same test, in the same surroundings, passes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import cache_from_source
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.mutants.table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PACKAGES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["dev-mode-dirs"]
#: Trials that run at a time.
WORKERS = 2
#: Seconds that a trial may take.
LIMIT = 60
#: What pytest says of `assert`, and of `pytest.raises` and `pytest.fail`. A name that does not exist is no assertion.
ASSERTIONS = ("assert ", "AssertionError", "Failed: ")


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of the test that guards a place or, for a control, of all such tests of a file."""

    tests: tuple[str, ...]
    mutant: Mutant | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended.

    Attributes:
        code: pytest's exit code; 1: it ran tests, and some failed.
        failures: what the tests that failed said.
        errors: how often something around a test failed, such as a fixture.
        changed_file_ran: the mutated file of the copy, and no other, was imported.
    """

    code: int
    output: str
    failures: tuple[str, ...]
    errors: int
    changed_file_ran: bool


def _file(test: str) -> str:
    return test.partition("::")[0]


GUARDS = sorted({mutant.caught_by for mutant in MUTANTS})
CONTROLS = [Trial(tuple(tests)) for _, tests in groupby(GUARDS, _file)]
TRIALS = [Trial((mutant.caught_by,), mutant) for mutant in MUTANTS]


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Trial, Future[Outcome]]]:
    """Begin all trials that were selected."""
    callspecs = (getattr(item, "callspec", None) for item in request.session.items)
    wanted = [callspec.params["trial"] for callspec in callspecs if callspec and "trial" in callspec.params]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="mutants") as executor:
        yield {trial: executor.submit(conduct, trial, tmp_path_factory.mktemp("tree")) for trial in wanted}
        executor.shutdown(cancel_futures=True)


@pytest.mark.parametrize("trial", CONTROLS, ids=lambda trial: _file(trial.tests[0]))
def test_unchanged_passes(trial: Trial, outcomes: Mapping[Trial, Future[Outcome]]) -> None:
    outcome = outcomes[trial].result()
    assert outcome.code == pytest.ExitCode.OK, outcome.output


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.mutant.name)
def test_mutant_is_caught(trial: Trial, outcomes: Mapping[Trial, Future[Outcome]]) -> None:
    assert trial.mutant is not None
    outcome = outcomes[trial].result()
    assert outcome.code != pytest.ExitCode.OK, f"{trial.mutant.caught_by} does not notice that {trial.mutant.why}"
    assert outcome.code == pytest.ExitCode.TESTS_FAILED, outcome.output
    assert outcome.changed_file_ran, f"{trial.mutant.file} of the copy was not imported"
    assert not outcome.errors, outcome.output
    assert outcome.failures, outcome.output
    assert all(said.startswith(ASSERTIONS) for said in outcome.failures), outcome.output


def conduct(trial: Trial, tree: Path) -> Outcome:
    """Run a trial in `tree`, an empty directory that is empty again afterwards."""
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    if trial.mutant is not None:
        mutate(trial.mutant, tree)
    try:
        code, output = _pytest(trial.tests, tree)
        failures, errors = _report(tree / "report.xml")
        # Nothing was compiled in this tree before: what has been compiled was imported.
        ran = trial.mutant is None or Path(cache_from_source(str(tree / trial.mutant.file))).exists()
        return Outcome(code, output, failures, errors, ran)
    finally:
        shutil.rmtree(tree)
        tree.mkdir()


def mutate(mutant: Mutant, tree: Path) -> None:
    """Change the copy of the product in `tree`."""
    path = tree / mutant.file
    text = path.read_text()
    found = text.count(mutant.original)
    assert found == 1, f"{mutant.file} has the text of {mutant.name} {found} times: bring tests/mutants up to date"
    path.write_text(text.replace(mutant.original, mutant.replacement))


def _pytest(tests: Iterable[str], tree: Path) -> tuple[int, str]:
    """Run tests of the copy with the copy's packages, and return pytest's exit code and output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    # Before the packages' own directories, which the editable installation adds at the end of the path.
    env["PYTHONPATH"] = os.pathsep.join(str(tree / name) for name in PACKAGES)
    options = [
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.mutants.first_failure",
        # After the profile that tests/conftest.py loads.
        "--hypothesis-profile=trial",
        "--basetemp=tmp",
        "--junitxml=report.xml",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            # With all that the test has started.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, output


def _report(path: Path) -> tuple[tuple[str, ...], int]:
    """Return what failed tests said, and the number of errors around tests."""
    if not path.exists():
        return (), 0
    report = ElementTree.parse(path)
    return tuple(failure.get("message", "") for failure in report.iter("failure")), len(list(report.iter("error")))
