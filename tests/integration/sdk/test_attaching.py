"""Attaching, with a controller in memory that is real gRPC."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from contextlib import aclosing

import pytest

import shoal
from shoal_proto.v1 import container_pb2 as pb
from tests.fakes.api import FakeController, State


def attachments(state: State) -> list[pb.AttachStart]:
    return [each for name, each in state.calls if name == "AttachContainer"]


async def until(attached: shoal.Attachment, expected: bytes) -> None:
    seen = b""
    async with asyncio.timeout(20):
        while expected not in seen:
            seen += await attached.stdout.read(100)


async def test_input_output_size_and_end(cluster: shoal.Cluster) -> None:
    await cluster.containers.create("web", name="one", tty=True, open_stdin=True)
    async with cluster.containers.attach("one", stdin=True, size=(80, 24)) as attached:
        assert (attached.tty, attached.run) == (True, 1)
        await attached.write(b"hello")
        await until(attached, b"hello")
        await attached.resize(100, 30)
        await until(attached, b"100x30")
        await attached.write(b"exit 7")
        assert await attached.wait() == 7
        assert await attached.stdout.read() == b""


async def test_what_there_is_not_can_not_be_attached_to(cluster: shoal.Cluster) -> None:
    with pytest.raises(shoal.NotFound):
        async with cluster.containers.attach("none"):
            pass


async def test_it_attaches_again_from_where_it_was(
    context: shoal.Context,
    controller: FakeController,
    second: FakeController,
    state: State,
    caplog: pytest.LogCaptureFixture,
) -> None:
    both = dataclasses.replace(context, endpoints=(controller.address, second.address))
    async with shoal.connect(both) as cluster:
        await cluster.containers.create("web", name="one", tty=True, open_stdin=True)
        with caplog.at_level(logging.WARNING, "shoal"):
            async with cluster.containers.attach("one", stdin=True, logs=True, size=(80, 24)) as attached:
                await attached.write(b"hello")
                await until(attached, b"hello")
                await attached.resize(90, 25)
                await until(attached, b"90x25")
                await controller.stop()
                async with asyncio.timeout(20), state.condition:
                    await state.condition.wait_for(lambda: len(attachments(state)) == 2)
                await attached.write(b"again")
                await until(attached, b"again")
                await attached.write(b"exit 0")
                assert await attached.wait() == 0
        assert [record.message for record in caplog.records if "again" in record.message][-1] == (
            'attached to container "one" again'
        )
    starts = attachments(state)
    assert [(start.cursor.offset, start.logs, start.run) for start in starts] == [(0, True, 0), (5, False, 1)]
    assert starts[1].size == pb.TerminalSize(columns=90, rows=25)


@pytest.mark.parametrize("before", [b"", b"hello"])
async def test_what_a_cut_left_without_its_place_is_seen_once(cluster: shoal.Cluster, before: bytes) -> None:
    await cluster.containers.create("web", name="one", tty=True, open_stdin=True)
    async with asyncio.timeout(20), cluster.containers.attach("one", stdin=True, logs=True) as attached:
        if before:
            await attached.write(before)
            await until(attached, before)
        await attached.write(b"tear it")
        await until(attached, b"tear it")
        await attached.write(b"exit 0")
        assert await attached.wait() == 0
        assert await attached.stdout.read() == b""


async def test_what_is_left_runs_on(cluster: shoal.Cluster) -> None:
    await cluster.containers.create("web", name="one", tty=True, open_stdin=True)
    async with cluster.containers.attach("one", stdin=True) as attached:
        pass
    with pytest.raises(shoal.Conflict, match="let go of"):
        await attached.wait()
    async with aclosing(aiter_of(attached)) as pieces:
        assert [piece async for piece in pieces] == []


async def aiter_of(attached: shoal.Attachment):  # type: ignore[no-untyped-def]
    async for piece in attached.stdout:
        yield piece
