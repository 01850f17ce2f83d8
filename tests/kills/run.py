"""Rounds: some users at work, an agent that is killed and started again, and a look at what is there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO, Final

import shoal
from shoal.configuration import Configuration
from shoal_lab.cluster import Lab
from shoal_proto.v1.container_pb2 import Container, ContainerPhase
from tests.kills.model import PROGRAM, Log, Operation, State, Subject, choose, starts
from tests.parts.lab import SHOAL, LabUnderTest

NODE: Final = "node1"
#: Containers, and how many of them are asked something at a time.
_SUBJECTS: Final = 8
WIDTH: Final = 4
#: Seconds from the first user's beginning in which the others begin and the agent dies, and in which it is away.
_WITHIN: Final = 0.6
_AWAY: Final = 0.4
#: Seconds after which a user who has not been told anything has waited in vain, and in which all comes to rest.
_PATIENCE: Final = 60.0
_REST: Final = 30.0
#: Lines that readers must see beyond what they had when the agent was back.
_MORE: Final = 10
_GOING_ON: Final = frozenset({Operation.FOLLOW, Operation.ATTACH})
_STATES: Final = {
    ContainerPhase.CONTAINER_PHASE_CREATED: State.CREATED,
    ContainerPhase.CONTAINER_PHASE_RUNNING: State.RUNNING,
    ContainerPhase.CONTAINER_PHASE_EXITED: State.EXITED,
}
#: More than a pipe and a message hold, so that a copy takes its time.
_COPIED: Final = 3 << 20


@dataclass
class Result:
    """What a run came to."""

    seed: int
    kills: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it for people."""
        ends = ", ".join(f"{how}: {count}" for how, count in sorted(self.ends.items()))
        return "\n".join([f"seed {self.seed}: {self.kills} kills; {ends}; {len(self.wrong)} wrong", *self.wrong])


@dataclass
class _User:
    """One command of a user's, and what it says."""

    subject: Subject
    operation: Operation
    mark: str
    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def said(self) -> str:
        return self.out.read_text(errors="replace")


class _Run:
    def __init__(self, lab: LabUnderTest, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self._under_test = lab
        self._lab = Lab.load(lab.name)
        self._folder = folder
        self._random = Random(f"kills {seed}")
        self._say = say
        self._subjects = [Subject(f"k{number}") for number in range(_SUBJECTS)]
        self._marks = 0
        self._result = Result(seed)

    async def run(self, operations: int) -> Result:
        """Do rounds until so many operations have been begun."""
        context = Configuration.load(Path(self._under_test.env["SHOAL_CONFIG"])).context(self._under_test.name)
        async with shoal.connect(context=context) as cluster:
            done = 0
            while done < operations:
                chosen = choose(self._random, self._subjects, min(WIDTH, operations - done))
                users = await self._ask(chosen)
                found = await self._settled(cluster)
                await self._judge(cluster, users, found)
                done += len(chosen)
                self._say(f"{done} operations, {len(self._result.wrong)} wrong")
        return self._result

    # Acting

    async def _ask(self, chosen: list[tuple[Subject, Operation]]) -> list[_User]:
        """Have users begin and the agent die; returns once each who can be told something has been."""
        times = sorted((self._random.uniform(0, _WITHIN), number) for number in range(len(chosen)))
        # A command takes its time to begin.
        death, away = self._random.uniform(_WITHIN / 3, 2 * _WITHIN), self._random.uniform(0, _AWAY)
        began = asyncio.get_running_loop().time()

        async def at(moment: float) -> None:
            await asyncio.sleep(max(0.0, began + moment - asyncio.get_running_loop().time()))

        async def kill() -> None:
            await at(death)
            await self._lab.kill(f"{NODE}/agent")
            self._result.kills += 1
            await at(death + away)
            await self._lab.start(f"{NODE}/agent")

        users = []
        async with asyncio.TaskGroup() as group:
            group.create_task(kill(), name="kill")
            for moment, number in times:
                await at(moment)
                users.append(self._begin(*chosen[number]))
        for user in users:
            if user.operation not in _GOING_ON:
                await self._told(user)
        return users

    def _begin(self, subject: Subject, operation: Operation) -> _User:
        self._marks += 1
        mark = f"m{self._marks}"
        out, err = self._folder / f"{mark}.out", self._folder / f"{mark}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = self._spawn(self._words(subject.name, operation, mark), stdout, stderr)
        return _User(subject, operation, mark, process, out, err)

    def _spawn(self, words: list[str], out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [SHOAL, *words],
            env={**os.environ, **self._under_test.env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )

    def _words(self, name: str, operation: Operation, mark: str) -> list[str]:
        match operation:
            case Operation.CREATE:
                here = ("--constraint", f"node.name=={NODE}")
                return ["create", "--name", name, *here, self._under_test.image, "sh", "-c", PROGRAM]
            case Operation.START:
                return ["start", name]
            case Operation.STOP:
                return ["stop", "-t", "30", name]
            case Operation.REMOVE:
                return ["rm", "-f", name]
            case Operation.EXEC:
                return ["exec", name, "sh", "-c", f"echo {mark} >> /tmp/marks; sleep 0.3; echo said {mark}"]
            case Operation.FOLLOW:
                return ["logs", "-f", name]
            case Operation.ATTACH:
                return ["attach", "--no-stdin", "--no-sig-proxy", name]
            case Operation.COPY_IN:
                (self._folder / mark).write_bytes(_content(mark))
                return ["cp", str(self._folder / mark), f"{name}:/tmp/{mark}"]
        return ["cp", f"{name}:/bin/busybox", str(self._folder / mark)]

    async def _told(self, user: _User) -> None:
        """Take what a user is told."""
        try:
            code = await asyncio.to_thread(user.process.wait, _PATIENCE)
        except subprocess.TimeoutExpired:
            user.process.kill()
            user.process.wait()
            code = -1
            self._wrong(user, "was told nothing")
        done = code == 0
        user.subject.told(user.operation, done=done)
        self._result.ends[f"{user.operation} {'done' if done else 'failed'}"] += 1
        said = [line for line in user.err.read_text(errors="replace").splitlines() if line]
        if not done:
            self._say(f"{user.operation} of {user.subject.name} ended with {code}: {' / '.join(said)}")
        if not done and not said:
            self._wrong(user, f"failed with {code} without a word")
        if any(not line.startswith("shoal: ") for line in said) or "fault of Shoal's own" in "".join(said):
            self._wrong(user, f"was told: {' / '.join(said)[:500]}")

    def _wrong(self, user: _User, what: str) -> None:
        self._result.wrong.append(f"{user.operation} of {user.subject.name} ({user.mark}): {what}")

    # Judging

    async def _settled(self, cluster: shoal.Cluster) -> dict[str, Container]:
        """Wait until all is at rest and the agent serves; returns what there is, by name."""
        deadline = time.monotonic() + _REST
        while True:
            found = {each.spec.name: each for each in await cluster.containers.list(all=True)}
            restless = [each for each in found.values() if each.phase not in _STATES]
            wanted = [s.name for s in self._subjects if s.may == {State.RUNNING} and not _is(found, s, State.RUNNING)]
            if not restless and not wanted:
                return found
            if time.monotonic() > deadline:
                told = ", ".join(f"{each.spec.name}: {each.phase} {each.detail}" for each in restless)
                self._result.wrong.append(f"it does not come to rest: {told} {wanted}")
                return found
            await asyncio.sleep(0.1)

    async def _judge(self, cluster: shoal.Cluster, users: list[_User], found: dict[str, Container]) -> None:
        for subject in self._subjects:
            container = found.get(subject.name)
            state = State.ABSENT if container is None else _STATES.get(container.phase, State.CREATED)
            if wrong := subject.seen(state):
                self._result.wrong.append(wrong)
            if container is None:
                continue
            runs = [await self._log(cluster, container, run) for run in range(1, container.spec.run + 1)]
            self._result.wrong += starts(subject, runs)
            if state is State.EXITED and container.status.exit_code != 7:
                self._result.wrong.append(f"{subject.name} ended with {container.status.exit_code}, and not with its 7")
            if state is State.EXITED and runs and runs[-1].end is None:
                self._result.wrong.append(f"the end of {subject.name} is not in its log")
        for user in users:
            await self._judge_user(user)

    async def _log(self, cluster: shoal.Cluster, container: Container, run: int) -> Log:
        async with asyncio.timeout(_REST), aclosing(cluster.containers.logs(container.spec.id, run=run)) as entries:
            return Log.read(b"".join([entry.data async for entry in entries]).decode(errors="replace"))

    async def _judge_user(self, user: _User) -> None:
        if user.operation in _GOING_ON:
            await self._judge_reader(user)
            return
        done = user.process.returncode == 0
        if user.operation is Operation.EXEC:
            if done and user.said() != f"said {user.mark}\n":
                self._wrong(user, f"it said {user.said()[:200]!r}")
            times = (await self._inside(user, "cat", "/tmp/marks")).split().count(user.mark.encode())
            if times > 1 or (done and not times):
                self._wrong(user, f"it was carried out {times} times")
        if not done:
            return
        match user.operation:
            case Operation.COPY_IN if user.subject.may == {State.RUNNING}:
                copied = await self._inside(user, "sha256sum", f"/tmp/{user.mark}")
                if hashlib.sha256(_content(user.mark)).hexdigest().encode() not in copied:
                    self._wrong(user, f"what is there is not what was copied: {copied[:200]!r}")
            case Operation.COPY_OUT:
                if (self._folder / user.mark).read_bytes() != Path("/bin/busybox").read_bytes():
                    self._wrong(user, "what was copied is not what is there")

    async def _judge_reader(self, user: _User) -> None:
        """A reader sees what is written after the agent is back, and has missed nothing and read nothing twice."""
        reached = len(Log.read(user.said()).lines)
        if user.process.poll() is not None and not reached:
            # It began while the agent was away, and was told so.
            await self._told(user)
            return
        deadline = time.monotonic() + _REST
        try:
            while len(Log.read(user.said()).lines) < reached + _MORE:
                if user.process.poll() is not None or time.monotonic() > deadline:
                    self._wrong(user, f"it sees nothing more: {user.err.read_text(errors='replace')[-300:]}")
                    break
                await asyncio.sleep(0.05)
        finally:
            user.process.send_signal(signal.SIGKILL)
            user.process.wait()
        self._result.ends[f"{user.operation} done"] += 1
        # The last line may be cut where the reader was ended.
        text = user.said().rpartition("\n")[0]
        # A follower sees all runs, each of which begins with line 0.
        whole = user.operation is Operation.FOLLOW
        runs = [f"begin {part}" for part in text.split("begin ")[1:]] if whole else [text]
        for run in runs:
            for what in Log.read(run).wrong(whole=whole):
                self._wrong(user, what)

    async def _inside(self, user: _User, *words: str) -> bytes:
        done = await asyncio.to_thread(
            subprocess.run,
            [SHOAL, "exec", user.subject.name, *words],
            env={**os.environ, **self._under_test.env},
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
        return bytes(done.stdout)


def _is(found: dict[str, Container], subject: Subject, state: State) -> bool:
    container = found.get(subject.name)
    return container is not None and _STATES.get(container.phase) is state


def _content(mark: str) -> bytes:
    return json.dumps([mark, *range(_COPIED // 8)]).encode()


async def kill_agents(
    lab: LabUnderTest, folder: Path, *, operations: int, seed: int, say: Callable[[str], None] = lambda line: None
) -> Result:
    """Have users do `operations` things in a lab with no containers in it, whose node's agent dies again and again.

    Args:
        folder: for what they read and write.
    """
    return await _Run(lab, folder, seed, say).run(operations)
