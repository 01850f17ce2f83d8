#!/usr/bin/env bash
# Freezes the messages of the present version as proto/frozen/<version>.binpb, for the tests that play peers of it.
# Done once, when the version is released; a frozen version never changes.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}
version=$(sed -n 's/^VERSION: Final = "\(.*\)"/\1/p' ../common/shoal_common/version.py)
target=frozen/$version.binpb
mapfile -t files < <(find shoal_proto/v1 -name '*.proto' | sort)
mkdir -p frozen
"$python" -m grpc_tools.protoc -I . --include_imports --descriptor_set_out="$target" "${files[@]}"
echo "proto/$target"
