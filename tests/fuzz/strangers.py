"""Strangers at the listener where hosts join: no certificate, a token that may be good, and whatever they ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Final

import grpc
from cryptography import x509
from google.protobuf.message import DecodeError

import shoal
from shoal_agent.cluster.join import Token, parse_token
from shoal_common.identity import Identity, Role, identity_of
from shoal_proto.v1 import join_pb2
from shoal_proto.v1.join_pb2 import JoinRequest, JoinResponse
from shoal_proto.v1.node_pb2 import NodeSpec
from tests.fuzz import answers
from tests.fuzz.answers import Answer
from tests.fuzz.calling import make
from tests.fuzz.campaign import API, Result, Wrong, rounds
from tests.fuzz.certificate_requests import certificate_request
from tests.fuzz.messages import Call, Calls, methods
from tests.fuzz.places import Place

#: What a stranger may call.
JOIN: Final = methods(join_pb2.DESCRIPTOR)
#: The share of calls that is made of what only administrators may call.
_ELSEWHERE: Final = 0.1
#: What gRPC says of itself where nobody serves a call: also that it was broken off while more was being sent.
_CLOSED: Final = frozenset(
    {
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    }
)


async def try_joining(
    place: Place, *, seed: int, tries: Sequence[int], say: Callable[[str], None] = lambda line: None
) -> Result:
    """Ask to be let in, with tokens that are good and that are none.

    What is refused makes no node, no node that is there is changed, and a certificate names nobody else.
    """
    result = Result(seed)
    async with shoal.connect(context=place.context) as cluster:
        good = parse_token((await cluster.join_token()).token)
    known = {
        "token_id": (good.id,),
        "token_secret": (good.secret,),
        "name": ("host", *(each.name for each in (await _nodes(place)).values())),
    }
    joining = Calls(JOIN, known, made={"certificate_request": certificate_request})
    elsewhere = Calls(API, place.known())
    async with place.join_channel() as channel:
        for numbers in rounds(tries):
            before = await _nodes(place)
            made: dict[int, tuple[int, Call]] = {}
            for number in numbers:
                random = Random(f"{seed} {number}")
                call = (elsewhere if random.random() < _ELSEWHERE else joining).call(random)
                made[id(call)] = (number, call)
            let_in: set[str] = set()
            unheard = 0

            def ended(call: Call, answer: Answer) -> None:
                nonlocal unheard
                result.ends[answer.code.name] += 1
                unheard += answer.code is grpc.StatusCode.DEADLINE_EXCEEDED
                for what in _judged(call, answer, good, let_in):  # noqa: B023
                    result.wrong.append(Wrong(made[id(call)][0], str(call), what))  # noqa: B023

            await make(channel, [call for _, call in made.values()], ended)
            result.tries += len(numbers)
            found = await asyncio.to_thread(lambda: list(place.faults()))
            result.wrong += [Wrong(-1, f"one of {numbers}", what) for what in found]
            if place.died:
                break
            after, found = await _nodes(place), []
            if len(after.keys() - before.keys() - let_in) > unheard:
                found.append(f"nodes that nobody was told of: {sorted(after.keys() - before.keys() - let_in)}")
            found += [f"node {each} was let in, and is not there" for each in let_in - after.keys()]
            found += [f"node {each} was changed" for each in before if after.get(each) != before[each]]
            result.wrong += [Wrong(-1, f"one of {numbers}", what) for what in found]
            await _remove(place, after.keys() - before.keys())
            say(f"{result.tries} strangers, {len(result.wrong)} wrong")
    return result


def _judged(call: Call, answer: Answer, good: Token, let_in: set[str]) -> Iterator[str]:
    if call.method not in JOIN:
        if answer.code not in _CLOSED:
            yield f"{answer.code.name} to who has no certificate: {answer.message[:200]}"
        return
    yield from answers.wrong(answer)
    if answer.code is not grpc.StatusCode.OK:
        return
    reply = JoinResponse.FromString(answer.reply)
    let_in.add(reply.node_id)
    try:
        (request,) = (JoinRequest.FromString(each) for each in call.requests)
    except DecodeError:
        yield "it was let in with what is no request"
        return
    if (request.token_id, request.token_secret) != (good.id, good.secret):
        yield "it was let in without a good token"
    yield from _certified(reply)


def _certified(reply: JoinResponse) -> Iterator[str]:
    """Say what a certificate lets its holder be beside that node."""
    certificate = x509.load_pem_x509_certificate(reply.certificate)
    if identity_of(certificate) != Identity(Role.NODE, reply.node_id):
        yield f"its certificate names {certificate.subject.rfc4514_string()}"
    if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        yield "its certificate is an authority's"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    for name in names.get_values_for_type(x509.DNSName):
        if "*" in name or (name.endswith(".shoal") and name != f"{reply.node_id}.node.shoal"):
            yield f"its certificate is good for {name}"


async def _nodes(place: Place) -> dict[str, NodeSpec]:
    """Return what joining writes of the nodes that are there."""
    async with shoal.connect(context=place.context) as cluster:
        return {each.spec.id: each.spec for each in await cluster.nodes.list()}


async def _remove(place: Place, nodes: Iterable[str]) -> None:
    async with shoal.connect(context=place.context) as cluster:
        for node in nodes:
            await cluster.nodes.remove(node, force=True)
