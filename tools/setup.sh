#!/usr/bin/env bash
# Makes a fresh Debian machine ready: Debian packages (their services stay stopped) and the locked Python packages in
# .venv. Quick when there is nothing to do.
#
#   tools/setup.sh run      what a cluster on this machine needs (make demo)
#   tools/setup.sh test     and what the checks and tests need (make test)
#   tools/setup.sh soak     and the virtual machine that limits are tried in (make soak)
#   tools/setup.sh bench    and the peers that the benchmarks run beside (make bench)
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(etcd-server docker-registry crun runc conmon nftables iproute2 tini busybox-static util-linux python3-venv)
programs=(etcd docker-registry crun runc conmon nft ip tini-static busybox unshare nsenter)
# Docker's own seccomp profile is the reference that ours is tested against. strace makes a daemon's disk slow; faketime
# gives one daemon a wall clock of its own; etcdctl unpacks backups, as an operator does.
for_tests=(golang-github-docker-docker-dev strace faketime etcd-client)
case "${1:-run}" in
run) ;;
test) packages+=("${for_tests[@]}") ;;
soak) packages+=("${for_tests[@]}" qemu-system-x86 mmdebstrap) ;;
bench)
  # netavark makes Podman's networks; Debian's podman only recommends it.
  packages+=(golang-github-docker-docker-dev docker.io iptables podman netavark)
  # Docker's client is a part of docker.io, and since Debian 13 a package of its own.
  grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release || packages+=(docker-cli)
  ;;
*) sed -n '5,8p' "$0" >&2; exit 2 ;;
esac
# Daemons live in sbin, which is not everybody's PATH.
export PATH=$PATH:/usr/sbin:/sbin

say() { echo "setup: $*" >&2; }

as_root=()
if [ "$(id -u)" != 0 ]; then
  as_root=(sudo)
fi

install_packages() {
  local missing=() package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    say "missing Debian packages: ${missing[*]} (run this as root, or install them)"
    exit 1
  fi
  say "installing ${missing[*]}"
  # Packages that bring a daemon would start it. Debian's own switch for that is this file; one that is there stays.
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e $policy ]; then
    ours=1
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin $policy
  elif ! "${as_root[@]}" grep -q 101 $policy; then
    say "$policy of this machine lets packages start their services: stop etcd and docker-registry if they did"
  fi
  local status=0 log
  log=$(mktemp)
  {
    "${as_root[@]}" apt-get update &&
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 || status=$?
  [ -z "$ours" ] || "${as_root[@]}" rm -f $policy
  [ $status = 0 ] || { tail -n 20 "$log" >&2; say "apt-get failed"; exit $status; }
  rm -f "$log"
}

check_programs() {
  local missing=() program
  for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} = 0 ] || { say "missing programs: ${missing[*]} (install them; on Debian this script does)"; exit 1; }
}

pip_install() {
  local log
  log=$(mktemp)
  .venv/bin/python -m pip install -q --disable-pip-version-check "$@" 2>"$log" ||
    { cat "$log" >&2; say "pip failed"; exit 1; }
  rm -f "$log"
}

install_python() {
  local python=/usr/bin/python3
  [ -x $python ] || python=$(command -v python3) || { say "Python 3.11 or newer is missing"; exit 1; }
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { say "$python is older than Python 3.11"; exit 1; }
  # The packages are made anew when the lock or the interpreter changes; our own is only pointed to.
  local locked ours
  locked=$(cat requirements.lock <("$python" -c 'import sys; print(sys.version)') | sha256sum)
  ours=$(echo "$locked $PWD" | cat - pyproject.toml | sha256sum)
  if [ "$(cat .venv/.locked 2>/dev/null)" != "$locked" ]; then
    say "installing the locked Python packages into .venv"
    "$python" -m venv --clear .venv
    pip_install --require-hashes -r requirements.lock
    echo "$locked" >.venv/.locked
  fi
  if [ "$(cat .venv/.ours 2>/dev/null)" != "$ours" ]; then
    pip_install --no-deps --no-build-isolation -e .
    echo "$ours" >.venv/.ours
  fi
}

if command -v dpkg-query >/dev/null; then
  install_packages
else
  say "this is not Debian: nothing but the Python packages is installed here"
fi
check_programs
install_python
