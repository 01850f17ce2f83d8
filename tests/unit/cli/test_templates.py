"""Templates mean what Go's mean, and hostile ones end soon in one line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal_cli.templates import ABSENT, ByKey, Struct, TemplateError, header, parse, render

#: Templates, and what Go 1.19's text/template made of them with Docker's functions beside its own.
GO: dict[str, Any] = json.loads((Path(__file__).parent / "go_templates.json").read_text())
DATA = GO["data"]


def filled(template: str, data: object = DATA) -> str:
    return render(parse(template), data)


@pytest.mark.parametrize(("template", "made"), GO["made"], ids=[template for template, _ in GO["made"]])
def test_means_what_it_means_in_go(template: str, made: str) -> None:
    assert filled(template) == made


@pytest.mark.parametrize("template", GO["refused"])
def test_refuses_what_go_refuses(template: str) -> None:
    with pytest.raises(TemplateError) as refused:
        filled(template)
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{.nope}}", r'no field "nope" \(there are: ID, Nothing, Label, hidden\)'),
        ("{{.Nothing.Deep}}", "not set"),
        ("{{.ID.__class__}}", "has no fields"),
        ("{{.ID.upper}}", "has no fields"),
        ("{{.__class__}}", "no field"),
        ("{{.Label}}", "asked with a key"),
        ("{{.ID 1}}", "takes no arguments"),
        ("{{define `x`}}{{end}}", "not supported"),
        ("{{index . `nope`}}", "no field"),
        ("{{printf `%*d` 3 1}}", "%"),
        (r'{{"\ud800"}}', "no character"),
        ("\udcff", "UTF-8"),
    ],
)
def test_known_objects_have_known_fields(template: str, words: str) -> None:
    fields = Struct({"ID": "a", "Nothing": None}, lambda: {"Label": ByKey(tier="front"), "hidden": 1})
    with pytest.raises(TemplateError, match=words):
        filled(template, fields)


def test_what_is_not_shown_can_be_asked_for() -> None:
    fields = Struct(
        {"ID": "a"}, lambda: {"Label": ByKey(tier="front"), "status": ABSENT, "items": [{"ip": "10.0.0.1"}]}
    )
    assert filled('{{.Label "tier"}}|{{.Label "no"}}|{{json .}}', fields) == 'front||{"ID":"a"}'
    assert filled("{{.items.0.ip}} {{.items.7}} {{.status.code}}", fields) == "10.0.0.1 <no value> <no value>"
    assert filled("{{if .status}}x{{else}}none{{end}} {{json .status}} {{eq .status nil}}", fields) == "none null true"


def test_text_of_others_moves_no_cursor_and_json_stays_json() -> None:
    hostile = {"Name": "a\x1b[2Jb\tc\nd\x9be\u202e"}
    assert filled("{{.Name}}\x1b", hostile) == "a\\x1b[2Jb\tc\nd\\x9be\\u202e\x1b"
    shown = filled("{{json .}}", hostile)
    assert shown.isprintable()
    assert json.loads(shown) == hostile


@pytest.mark.parametrize(
    "template",
    [
        "{{if .On}}" * 60 + "{{end}}" * 60,
        "{{" + "(" * 60 + ".Name" + ")" * 60 + "}}",
        "{{range .Env}}" * 40 + "{{end}}" * 40,
        "{{$x := `0123456789`}}" + "{{$x = print $x $x}}" * 40,
        '{{printf "%99999d" 1}}',
        '{{printf "%.99999f" 1.5}}',
        '{{pad "a" 99999 0}}',
        "{{/*" + "x" * 70_000 + "*/}}",
        "{{`" + "x" * 60_000 + "`}}" + "{{.Nope" * 100,
    ],
)
def test_what_would_take_too_much_is_refused_soon(template: str) -> None:
    began = time.process_time()
    with pytest.raises(TemplateError):
        filled(template)
    assert time.process_time() - began < 5


PIECES = st.sampled_from(
    [
        *("{{", "}}", "{{-", "-}}", "{{/*", "*/}}", " ", "|", "(", ")", ":=", "=", ",", ".", "$", "$x", "$i", "\n"),
        *("if", "else", "end", "range", "with", "true", "nil", "1", "-1", "1.5", '"a"', "`b`", '"', "`", "\\t"),
        *(".Name", ".Env", ".Labels", ".Mounts", ".Ports", ".State", ".Count", ".Nothing", ".Nope", ".0"),
        *("json", "join", "index", "len", "printf", "println", "slice", "split", "eq", "and", "or", "not", "title"),
        *("{{.Name}}", "{{range .Env}}", "{{with .State}}", "{{end}}", "{{else}}", "{{if .On}}"),
    ]
)


@settings(max_examples=2000, deadline=None)
@given(st.one_of(st.lists(PIECES, max_size=25).map(" ".join), st.lists(PIECES, max_size=25).map("".join), st.text()))
def test_any_text_is_a_template_or_refused_in_one_line(template: str) -> None:
    refusal = ""
    try:
        assert isinstance(filled(template), str)
        header(parse(template), {"Name": "NAME"})
    except TemplateError as error:
        refusal = error.message
    assert "\n" not in refusal
    assert len(refusal) < 600


LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(LEAVES, lambda of: st.lists(of) | st.dictionaries(st.text(), of)))
def test_json_is_what_it_was(data: object) -> None:
    assert json.loads(filled("{{json .}}", data)) == data


@pytest.mark.parametrize(
    ("template", "headings"),
    [
        (r"{{.ID}}\t{{.Names}}", "CONTAINER ID\tNAMES"),
        ("{{.ID | upper}} {{json .spec.name}}", "CONTAINER ID NAME"),
        ("{{if .ID}}{{.Names}}{{else}}{{.ID}}{{end}}", "NAMES"),
        ('{{.Label "tier"}}', "TIER"),
        ("{{range .Mounts}}{{.Source}}{{end}}", "SOURCE"),
        ("{{$x := .ID}}{{len .Names}}", "NAMES"),
    ],
)
def test_headings_stand_where_values_do(template: str, headings: str) -> None:
    assert header(parse(template), {"ID": "CONTAINER ID", "Names": "NAMES"}) == headings
