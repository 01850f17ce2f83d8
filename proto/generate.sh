#!/usr/bin/env bash
# Generates the Python code beside the .proto files; `generate.sh --check` says whether it is up to date instead.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}
out=.
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
PATH=$(dirname "$(realpath -s "$python")"):$PATH
mapfile -t files < <(find shoal_proto -name '*.proto' | sort)
mapfile -t services < <(grep -l '^service ' "${files[@]}")
"$python" -m grpc_tools.protoc -I . --python_out="$out" --pyi_out="$out" "${files[@]}"
"$python" -m grpc_tools.protoc -I . --grpc_python_out="$out" --mypy_grpc_out="$out" "${services[@]}"
if [ "$out" != . ]; then
  stale=0
  while read -r file; do
    cmp -s "$out/$file" "$file" || { echo "proto/$file is not what its .proto says (run: make proto)" >&2; stale=1; }
  done < <(cd "$out" && find . -type f -printf '%P\n')
  exit $stale
fi
