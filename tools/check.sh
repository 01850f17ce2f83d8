#!/usr/bin/env bash
# The fast checks, without root. All of them run even if one fails.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()
step() {
  local name=$1; shift
  local output
  if output=$("$@" 2>&1); then echo "ok    $name"; else echo "FAIL  $name"; echo "$output"; failed+=("$name"); fi
}
step scripts sh -c 'for each in tools/*.sh proto/*.sh .ci/run; do bash -n "$each" || exit 1; done'
step format .venv/bin/ruff format --check .
step lint .venv/bin/ruff check .
step types .venv/bin/mypy common sdk controller agent cli lab tests bench tools
step imports .venv/bin/lint-imports
step proto proto/generate.sh --check
step reference .venv/bin/python tools/api_reference.py --check
# What tests write has a place of its own: of a shared one, each pytest removes what others are removing as well.
files=$(mktemp -d -t shoal-XXXXXX)
trap 'rm -rf "$files"' EXIT
.venv/bin/python -m pytest --basetemp "$files" tests/unit || failed+=("unit tests")
[ ${#failed[@]} = 0 ] || { echo "check: failed: ${failed[*]}" >&2; exit 1; }
