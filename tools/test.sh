#!/usr/bin/env bash
# Every test that needs root, after `tools/setup.sh test`. Three streams run side by side, since tests wait longer than
# they compute; then what compares this machine before and after has it for itself.
set -uo pipefail
cd "$(dirname "$0")/.."

# The files of tests, in a directory for each pytest: of one that it shares, each removes at its end what others are
# removing as well, and fails for that. They stay if a test has failed.
files=$(mktemp -d -t shoal-XXXXXX)
trap 'rm -rf --one-file-system "$files"' EXIT

# stream NAME PYTEST-ARGUMENTS...
stream() (
  name=$1; shift
  own=$(mktemp -d -p "$files" XXX)
  # Ctrl-C ends pytest, which cleans up, and nothing that has to listen to it.
  trap '' INT
  env --default-signal=INT .venv/bin/python -m pytest --basetemp "$own" "$@" 2>&1 | sed -u "s/^/$name | /"
)

stream parts tests/contract tests/integration tests/mutants &
streams=($!)
stream whole tests/e2e --ignore=tests/e2e/test_leftovers.py &
streams+=($!)
stream faults tests/faults &
streams+=($!)
# A signal ends `wait` before the streams have removed what they made.
trap interrupted=1 INT TERM
failed=0 interrupted=
for each in "${streams[@]}"; do
  until wait $each; status=$?; [ $status -le 128 ] || ! kill -0 $each 2>/dev/null; do :; done
  [ $status = 0 ] || failed=1
done
[ $failed = 1 ] || [ -n "$interrupted" ] || stream alone tests/e2e/test_leftovers.py || failed=1
[ -z "$interrupted" ] || exit 130
[ $failed = 0 ] || { trap - EXIT; echo "test: failed (above); what the tests wrote is in $files" >&2; exit 1; }
