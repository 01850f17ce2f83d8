#!/usr/bin/env bash
# Resolves pyproject.toml's dependencies into requirements.lock, for every Python and platform that is served.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv "$tool"
"$tool/bin/pip" install -q --disable-pip-version-check uv
"$tool/bin/uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra lab --group dev \
  pyproject.toml -o requirements.lock
