#!/usr/bin/env bash
# What takes longer than a test: soak.sh "PARTS" MINUTES [SEED]. Each part has a lab of its own and runs whatever the
# others came to.
set -uo pipefail
cd "$(dirname "$0")/.."
parts=$1 minutes=$2 seed=(${3:+--seed "$3"})
failed=()
for part in $parts; do
  case $part in
    campaign) words=(tests.soak --report --minutes "$minutes" "${seed[@]}") ;;
    kills) words=(tests.kills "${seed[@]}") ;;
    churn) words=(tests.churn --report) ;;
    fuzz) words=(tests.fuzz "${seed[@]}") ;;
    guest) words=(tests.cgroup2) ;;
    *) echo "soak: there is no part \"$part\" (campaign, kills, churn, fuzz, guest)" >&2; exit 2 ;;
  esac
  .venv/bin/python -m "${words[@]}"
  status=$?
  [ $status != 130 ] || exit 130
  [ $status = 0 ] || failed+=("$part")
done
[ ${#failed[@]} = 0 ] || { echo "soak: failed: ${failed[*]}" >&2; exit 1; }
