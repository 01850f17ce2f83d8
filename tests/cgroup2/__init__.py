"""Limits under version 2 of control groups, in a virtual machine: `python -m tests.cgroup2`, a part of `make soak`.

The machine that tests run on may have version 1. Here live what makes a guest (Debian 13, emulated, without a network)
and what is tried in it with the real kernel, conmon, crun and runc. Nothing of a cluster runs there.
"""
