"""Mutants of what chooses and shows containers: a script acts on what a list has."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_FILTERS: Final = "controller/shoal_controller/api/containers/filters.py"
_TEMPLATES: Final = "cli/shoal_cli/templates"
_TEMPLATE_TESTS: Final = "tests/unit/cli/test_templates.py"
_FILTER_TESTS: Final = "tests/unit/controller/api/test_container_filters.py"

INSPECTION: Final = (
    Mutant(
        "values-of-one-filter-all-have-to-fit",
        _FILTERS,
        '(all if key == "label" else any)',
        "all",
        f"{_FILTER_TESTS}::test_keys_narrow_and_values_widen_whatever_their_order",
        "status=exited and status=failed together choose nothing",
    ),
    Mutant(
        "health-of-what-does-not-run-chosen-by",
        _FILTERS,
        "if status is not None and is_live(entry) else",
        "if status is not None else",
        f"{_FILTER_TESTS}::test_a_health_of_before_the_end_counts_no_more",
        "a script takes a container that has ended for a healthy one",
    ),
    Mutant(
        "filters-of-an-older-controller-believed",
        "sdk/shoal/watching.py",
        "if (request.filters or request.last) and not page.selected:",
        "if False:",
        "tests/integration/sdk/test_calls.py::test_a_controller_that_does_not_filter_is_not_believed",
        "shoal rm $(shoal ps -aq -f ...) removes every container of a cluster whose controller is older",
    ),
    Mutant(
        "templates-reach-python",
        f"{_TEMPLATES}/values.py",
        "        raise TemplateError(f'there is no field",
        '        return getattr(self, name, "")\n        raise TemplateError(f\'there is no field',
        f"{_TEMPLATE_TESTS}::test_known_objects_have_known_fields",
        "a template reads and calls what belongs to the interpreter",
    ),
    Mutant(
        "labels-move-the-cursor",
        f"{_TEMPLATES}/evaluation.py",
        "self._write(_shown(written(value)))",
        "self._write(written(value))",
        f"{_TEMPLATE_TESTS}::test_text_of_others_moves_no_cursor_and_json_stays_json",
        "a container's label rewrites the terminal of whoever lists it",
    ),
    Mutant(
        "any-node-tells-of-any-container",
        "controller/shoal_controller/api/nodes/disk_usage.py",
        "if each.counted and each.id in request.ids",
        "if each.counted",
        "tests/integration/api/test_disk_usage.py::test_sizes_of_containers_are_asked_for_only_when_wanted",
        "a node says how large the containers of others are",
    ),
)
