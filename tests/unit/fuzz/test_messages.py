"""Messages that are made of their descriptors: for all calls, right ones and wrong ones, and the same again."""

from __future__ import annotations

from collections import Counter
from random import Random

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from shoal_proto.v1.container_pb2 import CreateContainerRequest
from shoal_proto.v1.dispatcher_pb2 import AgentToLeader
from tests.fuzz.campaign import AGENT, API
from tests.fuzz.liars import DISPATCHER, SAID
from tests.fuzz.messages import Calls
from tests.fuzz.strangers import JOIN

KNOWN = {"container": ("f0",), "image": ("web:1",), "node": ("node1",), "volume": ("data",)}


def test_every_call_is_made_and_most_can_be_read() -> None:
    every = [*API, *AGENT, *JOIN, *DISPATCHER]
    calls = Calls(every, KNOWN)
    made = Counter[str]()
    torn = 0
    for number in range(5_000):
        call = calls.call(Random(f"1 {number}"))
        made[call.method.path] += 1
        for data in call.requests:
            try:
                GetMessageClass(call.method.request).FromString(data)
            except DecodeError:
                torn += 1
    assert set(made) == {each.path for each in every}
    assert 20 < torn < 600


def test_some_are_what_is_asked_for_every_day() -> None:
    calls = Calls([each for each in API if each.path.endswith("/CreateContainer")], KNOWN)
    plain = 0
    for number in range(500):
        (data,) = calls.call(Random(f"1 {number}")).requests
        try:
            request = CreateContainerRequest.FromString(data)
        except DecodeError:
            continue
        plain += request.config.image == "web:1" and len(request.id) == 64
    assert plain > 100


def test_nodes_say_all_that_they_can_and_mostly_begin_with_a_hello() -> None:
    calls = Calls(DISPATCHER, {**KNOWN, "process_id": ("p1",)}, kind="container", said=SAID)
    said, longest, begun = Counter[str | None](), 0, 0
    for number in range(1_000):
        for place, data in enumerate(calls.call(Random(f"1 {number}")).requests):
            try:
                message = AgentToLeader.FromString(data)
            except DecodeError:
                break
            said[message.WhichOneof("message")] += 1
            begun += place == 0 and message.hello.process_id == "p1"
            longest = max(longest, len(message.reports.reports), len(message.strays.ids))
    assert begun > 400
    assert min(said[each.name] for each in AgentToLeader.DESCRIPTOR.oneofs[0].fields) > 100
    assert longest > 5_000


def test_the_same_seed_asks_the_same() -> None:
    def made(seed: str) -> list[tuple[bytes, ...]]:
        return [Calls(API, KNOWN).call(Random(f"{seed} {number}")).requests for number in range(50)]

    assert made("7") == made("7")
    assert made("7") != made("8")
