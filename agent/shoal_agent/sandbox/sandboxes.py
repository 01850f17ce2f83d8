"""Sandboxes: a pair of user and network namespace per placement, made ahead of time and pinned.

On disk (a tmpfs): `sandboxes/<key>/` holds `user` and `net`, on which the namespaces are bound, `claim` (whose it is:
key, range of uids, addresses, whom it joins) and `ready` (its links are there). `sandboxes/.pool/<uid base>/` is a pair
that nobody has claimed; it is complete when it holds `made`. Every step is one rename or one file, so that an agent
that is killed between any two of them leaves something that the next one recognises.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from shoal_agent.kernel.mounts import is_mounted, unmount_all
from shoal_agent.kernel_work import finished
from shoal_agent.network.links import Port, plan_ports
from shoal_agent.network.node import NodeNetwork
from shoal_agent.network.published import Published, plan_published
from shoal_agent.paths import NodePaths
from shoal_agent.sandbox import uid_ranges
from shoal_agent.sandbox.helper_client import HelperClient
from shoal_agent.sandbox.host_uids import bases_in_use, delegated_ids
from shoal_agent.sandbox.uid_ranges import UidRanges
from shoal_common.errors import Conflict, Exhausted, InvalidSpec, ShoalError
from shoal_proto.v1 import container_pb2, resources_pb2

T = TypeVar("T")

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a container runs in.

    Attributes:
        key: names the placement.
        user_ns: the pinned user namespace; ids 0 to 65535 in it are those from `uid_base` up.
        net_ns: the pinned network namespace, owned by the user namespace.
        uid_base: first id of the range, for users and groups; 0: they are the node's.
    """

    key: str
    user_ns: Path
    net_ns: Path
    uid_base: int

    @property
    def of_host(self) -> bool:
        """Whether the user namespace is the node's own."""
        return self.uid_base == 0


#: What containers join that have their node's users.
HOST: Final = Sandbox("host", Path("/proc/self/ns/user"), Path("/proc/self/ns/net"), 0)


@dataclass(frozen=True, slots=True)
class Joining:
    """That a sandbox is in the user namespace of another one, and whether it has that one's network, too."""

    sandbox: Sandbox
    network: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What the file `claim` says."""

    key: str
    uid_base: int
    ports: tuple[Port, ...]
    published: tuple[Published, ...] = ()
    #: Key of the sandbox whose user namespace it is in; "" for one of its own. And whether it has its network, too.
    of: str = ""
    shares_network: bool = False

    def encode(self) -> str:
        """Return the file's text."""
        ports = [asdict(port) for port in self.ports]
        published = [asdict(port) for port in self.published]
        joined = {"of": self.of, "shares_network": self.shares_network} if self.of else {}
        return json.dumps({"key": self.key, "uid_base": self.uid_base, "ports": ports, "published": published} | joined)

    @classmethod
    def decode(cls, text: str) -> Claim:
        """Return what `text` says. Raises ValueError if it is no claim."""
        try:
            value = json.loads(text)
            ports = tuple(Port(**port) for port in value["ports"])
            # An agent of an older version published nothing.
            published = tuple(Published(**port) for port in value.get("published", ()))
            return cls(
                key=str(value["key"]),
                uid_base=int(value["uid_base"]),
                ports=ports,
                published=published,
                of=str(value.get("of", "")),
                shares_network=bool(value.get("shares_network", False)),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a claim: {text[:80]!r}") from error


def checked_key(key: str) -> str:
    """Return the key if it can name a directory, else raise InvalidSpec."""
    if not _KEY.fullmatch(key):
        raise InvalidSpec(f"key {key!r} of a placement can't name a directory")
    return key


class Sandboxes:
    """The sandboxes of this node. They outlive the agent, not a boot.

    Args:
        paths: where they are pinned.
        network: connects them.
        pool_size: how many pairs of namespaces are kept ready.
        uid_bases: first ids of the ranges that may be used.
    """

    def __init__(
        self,
        paths: NodePaths,
        network: NodeNetwork,
        *,
        pool_size: int = 4,
        uid_bases: range = range(uid_ranges.FIRST, uid_ranges.LAST + 1, uid_ranges.SIZE),
    ) -> None:
        self._directory = paths.sandboxes
        self._pool_directory = paths.sandboxes / ".pool"
        self._network = network
        self._pool_size = pool_size
        self._uid_bases = uid_bases
        self._ranges = UidRanges(uid_bases)
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="shoal-sandbox")
        self._helper = HelperClient(paths.run, name="shoal-namespaces")
        self._pool: list[int] = []
        self._claims: dict[str, Claim] = {}
        self._ready: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._making = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._refiller: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Adopt what is pinned, clear what is half made, and start filling the pool in the background."""
        self._ranges = UidRanges(self._uid_bases, await self._run(delegated_ids))
        claims, pool = await self._run(self._survey)
        self._ranges.settle((), in_use=await self._run(bases_in_use))
        for base in {claim.uid_base for claim in claims}:
            self._ranges.claim(base)
        for claim in claims:
            self._claims[claim.key] = claim
            self._ready.add(claim.key)
        for base in pool:
            self._ranges.claim(base)
        self._pool = pool
        await self._network.retain(
            [port for claim in claims for port in claim.ports], [port for claim in claims for port in claim.published]
        )
        await self._helper.start()
        self._wanted.set()
        self._refiller = asyncio.create_task(self._refill(), name="shoal-sandbox-pool")

    async def acquire(
        self,
        key: str,
        addresses: Sequence[resources_pb2.Address],
        bindings: Sequence[container_pb2.PortBinding] = (),
        joining: Joining | None = None,
    ) -> Sandbox:
        """Return the sandbox of this key, made and connected if need be.

        Args:
            key: names the placement.
            addresses: where it is connected to, one link each; none: loopback only.
            bindings: ports of this node that lead to it.
            joining: the sandbox whose user namespace it is in, instead of one of its own.

        Raises:
            InvalidSpec: an address or a port that can't be used on this node.
            Conflict: the key has a sandbox with other addresses or ports.
            Exhausted: no range of ids is free.
            Unavailable: the node's network is not configured yet; or a port still leads to another sandbox.
        """
        wanted = _wanted(key, addresses, bindings, joining)
        ports, published = wanted.ports, wanted.published
        async with self._locked(key):
            claim = self._claims.get(key)
            if claim is None and joining is not None:
                claim = await self._join(wanted, joining)
            elif claim is None:
                claim = await self._claim(wanted)
            elif not _serves(claim, wanted):
                raise Conflict(f"sandbox {key} exists with other addresses or ports, or ids (release it first)")
            if key not in self._ready:
                # Also where an attempt before this one failed half-way.
                if ports:
                    await self._network.attach(self._sandbox(claim).net_ns, ports, published)
                await self._run((self._directory / key / "ready").touch)
                self._ready.add(key)
            return self._sandbox(claim)

    def differs(
        self,
        key: str,
        addresses: Sequence[resources_pb2.Address],
        bindings: Sequence[container_pb2.PortBinding] = (),
        joining: Joining | None = None,
    ) -> bool:
        """Say whether the key has another sandbox than it would be given now: of late, what is its own was changed."""
        claim = self._claims.get(key)
        return claim is not None and not _serves(claim, _wanted(key, addresses, bindings, joining))

    def find(self, key: str) -> Sandbox | None:
        """Return the sandbox of this key if it is there and connected."""
        return self._sandbox(self._claims[key]) if key in self._ready else None

    def known(self) -> set[str]:
        """Return the keys of all sandboxes there are."""
        return set(self._claims)

    async def release(self, key: str) -> None:
        """Disconnect and unpin the sandbox of this key. Doing it again changes nothing.

        Its range of ids is given out again only after no process runs under it.
        """
        async with self._locked(checked_key(key)):
            directory = self._directory / key
            claim = self._claims.get(key)
            self._ready.discard(key)
            if claim is None:
                return
            # A sandbox that is being taken apart is not adopted by the next agent.
            await self._run(lambda: (directory / "ready").unlink(missing_ok=True))
            if claim.ports:
                await self._network.detach(claim.ports, claim.published)
            await self._run(lambda: _unpin(directory))
            del self._claims[key]
            if not any(each.uid_base == claim.uid_base for each in self._claims.values()):
                self._ranges.retire(claim.uid_base)

    async def close(self) -> None:
        """Stop filling the pool; sandboxes and the pool stay for the next agent."""
        await self._stop_refilling()
        await self._helper.close()
        self._executor.shutdown(wait=False)

    async def _stop_refilling(self) -> None:
        if self._refiller is not None:
            self._refiller.cancel()
            await asyncio.wait([self._refiller])
            self._refiller = None

    async def teardown(self) -> None:
        """Release every sandbox and the pool, then close: for a node that leaves the cluster."""
        await self._stop_refilling()
        for key in sorted(self._claims):
            await self.release(key)
        for base in self._pool:
            await self._run(partial(_unpin, self._pool_directory / str(base)))
            self._ranges.retire(base)
        self._pool.clear()
        await self.close()

    def _sandbox(self, claim: Claim) -> Sandbox:
        directory = self._directory / claim.key
        return Sandbox(key=claim.key, user_ns=directory / "user", net_ns=directory / "net", uid_base=claim.uid_base)

    async def _claim(self, wanted: Claim) -> Claim:
        """Return what is wanted with a pair of the pool, and its range of ids."""
        base = self._pool.pop(0) if self._pool else await self._make()
        self._wanted.set()
        claim = replace(wanted, uid_base=base)
        try:
            await self._run(lambda: self._take(claim))
        except BaseException:
            await self._run(lambda: self._drop(claim))
            self._ranges.retire(base)
            raise
        self._claims[claim.key] = claim
        return claim

    async def _join(self, wanted: Claim, joining: Joining) -> Claim:
        """Return what is wanted in the user namespace of another sandbox."""
        directory, theirs = self._directory / wanted.key, joining.sandbox
        await self._run(lambda: _fresh(directory))
        try:
            await self._run(lambda: (directory / "claim").write_text(wanted.encode()))
            await self._helper.request(
                do="join",
                directory=str(directory),
                user_ns=str(theirs.user_ns),
                net_ns=str(theirs.net_ns) if joining.network else "",
            )
        except BaseException:
            await self._run(lambda: _unpin(directory))
            raise
        self._claims[wanted.key] = wanted
        return wanted

    def _drop(self, claim: Claim) -> None:
        _unpin(self._pool_directory / str(claim.uid_base))
        _unpin(self._directory / claim.key)

    def _take(self, claim: Claim) -> None:
        source, target = self._pool_directory / str(claim.uid_base), self._directory / claim.key
        (source / "claim").write_text(claim.encode())
        source.rename(target)

    async def _make(self) -> int:
        """Make one pair of namespaces in the pool's directory and return its base."""
        async with self._making:
            try:
                base = self._ranges.take()
            except Exhausted:
                waiting = self._ranges.retired
                self._ranges.settle(waiting, in_use=await self._run(bases_in_use))
                base = self._ranges.take()
        directory = self._pool_directory / str(base)
        try:
            await self._run(lambda: _fresh(directory))
            await self._helper.request(do="namespaces", directory=str(directory), uid_base=base)
            await self._run((directory / "made").touch)
        except BaseException:
            await self._run(lambda: _unpin(directory))
            self._ranges.retire(base)
            raise
        return base

    async def _refill(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while len(self._pool) < self._pool_size:
                    self._pool.append(await self._make())
            except (ShoalError, OSError):
                # Whoever needs a sandbox meets the same error and reports it; the next acquire tries again.
                continue

    def _survey(self) -> tuple[list[Claim], list[int]]:
        """Return what is whole on disk, having cleared everything else."""
        self._pool_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        claims = []
        for directory in self._directory.iterdir():
            if directory == self._pool_directory:
                continue
            claim = _whole_claim(directory)
            if claim is None:
                _unpin(directory)
            else:
                claims.append(claim)
        pool = []
        for directory in self._pool_directory.iterdir():
            if directory.name.isdecimal() and (directory / "made").exists() and _pinned(directory):
                pool.append(int(directory.name))
            else:
                _unpin(directory)
        return claims, pool

    def _locked(self, key: str) -> asyncio.Lock:
        """Return the lock of this key; it goes with the last who holds or awaits it."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    async def _run(self, function: Callable[[], T]) -> T:
        return await finished(self._executor, function)


def _wanted(
    key: str,
    addresses: Sequence[resources_pb2.Address],
    bindings: Sequence[container_pb2.PortBinding],
    joining: Joining | None,
) -> Claim:
    ports = plan_ports(checked_key(key), addresses)
    published = plan_published(key, ports, bindings)
    if joining is None:
        return Claim(key, 0, ports, published)
    return Claim(key, joining.sandbox.uid_base, ports, published, joining.sandbox.key, joining.network)


def _serves(claim: Claim, wanted: Claim) -> bool:
    """Say whether a sandbox that is there is what is wanted; any range of ids is, unless it is to be another's."""
    return claim == (wanted if wanted.of else replace(wanted, uid_base=claim.uid_base))


def _pinned(directory: Path) -> bool:
    return is_mounted(directory / "user") and is_mounted(directory / "net")


def _whole_claim(directory: Path) -> Claim | None:
    if not (directory / "ready").exists() or not _pinned(directory):
        return None
    try:
        claim = Claim.decode((directory / "claim").read_text())
    except (OSError, ValueError):
        return None
    return claim if claim.key == directory.name else None


def _fresh(directory: Path) -> None:
    _unpin(directory)
    directory.mkdir(mode=0o700, parents=True)


def _unpin(directory: Path) -> None:
    """Let go of both namespaces and remove the directory; nothing there is success."""
    for name in ("net", "user"):
        unmount_all(directory / name)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory)
