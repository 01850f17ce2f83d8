"""Sandboxes that join another one, with the real kernel and the real crun. Only for processes of `private_host`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from shoal_agent.runtime.own_sys import check_owned
from shoal_agent.sandbox.sandboxes import Joining
from shoal_common.errors import Conflict
from tests.integration.agent_sandbox.scenarios import (
    Host,
    address,
    answers,
    host,
    inside,
    nothing_is_left,
    output,
    prepare,
    until,
)

WEB, BESIDE = "web-1", "beside-1"


def _same(one: Path, other: Path) -> bool:
    return os.path.samestat(one.stat(), other.stat())


async def joined_network_is_the_same_and_outlives_neither_link_nor_ids(directory: Path) -> None:
    async with host(directory) as made:
        theirs, _ = await made.container(WEB, 7)
        own = await made.sandboxes.acquire(BESIDE, [], joining=Joining(theirs, network=True))
        assert _same(own.user_ns, theirs.user_ns)
        assert _same(own.net_ns, theirs.net_ns)
        assert own.uid_base == theirs.uid_base
        assert check_owned(own.net_ns, own.user_ns) == ""
        mounted = await made.roots.mount(BESIDE, layers=[made.layer()], writable=made.writable(BESIDE), sandbox=own)
        assert "10.88.0.7" in inside(own, "ip", "-4", "addr", "show", "eth0")
        # It is as much a container as any other: port 80 and /sys of its own.
        assert "eth0" in output(made, own, mounted, "ls /sys/class/net; httpd -p 80 -h /www")
        assert made.sandboxes.differs(BESIDE, [], joining=Joining(theirs, network=True)) is False
        assert made.sandboxes.differs(BESIDE, [])
        # The one that was joined goes: what is left keeps its ids from everybody else, and has no link any more.
        await made.remove(WEB)
        assert "eth0" not in inside(own, "ip", "-o", "link")
        ranges = made.sandboxes._ranges
        assert own.uid_base in ranges.live
        await made.remove(BESIDE)
        assert own.uid_base in ranges.retired


async def joined_ids_with_a_network_of_its_own(directory: Path) -> None:
    async with host(directory) as made:
        theirs, _ = await made.container(WEB, 7)
        own = await made.sandboxes.acquire(BESIDE, [address(8)], joining=Joining(theirs))
        assert _same(own.user_ns, theirs.user_ns)
        assert not _same(own.net_ns, theirs.net_ns)
        # What the container's root may do there hangs on this.
        assert check_owned(own.net_ns, own.user_ns) == ""
        root = await made.roots.mount(BESIDE, layers=[made.layer()], writable=made.writable(BESIDE), sandbox=own)
        assert answers(own, "10.88.0.7")
        assert "eth0" in output(made, own, root, "ls /sys/class/net; ping -c 1 10.88.0.1")


async def next_agent_adopts_what_joins_and_what_was_joined(directory: Path) -> None:
    made = Host(directory)
    await made.open()
    theirs, _ = await made.container(WEB, 7)
    own = await made.sandboxes.acquire(BESIDE, [], joining=Joining(theirs, network=True))
    await made.close()
    async with host(directory) as other:
        found = other.sandboxes.find(WEB)
        assert found is not None
        assert other.sandboxes.find(BESIDE) == own
        assert await other.sandboxes.acquire(BESIDE, [], joining=Joining(found, network=True)) == own
        # Set up anew meanwhile, with other ids: what there is, is no longer what is wanted.
        await other.sandboxes.release(WEB)
        joining = Joining(await other.sandboxes.acquire(WEB, [address(7)]), network=True)
        assert joining.sandbox.uid_base != own.uid_base
        assert other.sandboxes.differs(BESIDE, [], joining=joining)
        with pytest.raises(Conflict):
            await other.sandboxes.acquire(BESIDE, [], joining=joining)


async def joining_that_is_cut_short_leaves_nothing(directory: Path) -> None:
    async with host(directory) as made:
        theirs, _ = await made.container(WEB, 7)
        pid = made.sandboxes._helper.pid
        assert pid is not None
        os.kill(pid, 19)
        joining = asyncio.create_task(made.sandboxes.acquire(BESIDE, [], joining=Joining(theirs)))
        await until(lambda: (made.paths.sandboxes / BESIDE / "claim").exists())
        joining.cancel()
        os.kill(pid, 18)
        await asyncio.wait([joining])
        assert joining.cancelled()
        assert not (made.paths.sandboxes / BESIDE).exists()
        await made.remove(WEB)
        assert [line for line in nothing_is_left(made) if BESIDE in line] == []


def main() -> None:
    name, directory = sys.argv[1:]
    prepare(Path(directory))
    asyncio.run(globals()[name](Path(directory)))


if __name__ == "__main__":
    main()
