"""What waits for the leader's loop is bounded by what nodes hold, whatever they say."""

from __future__ import annotations

import asyncio

from shoal_controller.leader.inbox import Described, Inbox, Opening, StraysFound
from shoal_proto.v1.node_pb2 import NodeDescription


def described(node: str, kernel: str) -> Described:
    return Described(node, NodeDescription(kernel=kernel))


async def test_of_what_a_node_says_of_itself_only_the_newest_waits() -> None:
    inbox = Inbox()
    inbox.put_news(described("n1", "1"))
    inbox.put_news(described("n2", "1"))
    for number in range(1_000):
        inbox.put_news(described("n1", str(number)))
        inbox.put_news(StraysFound("n1", (str(number),)))
    assert list(inbox.news) == [described("n2", "1"), described("n1", "999"), StraysFound("n1", ("999",))]


async def test_a_newer_word_does_not_pass_the_session_that_it_came_by() -> None:
    inbox = Inbox()
    opening = Opening("n1", "p", NodeDescription(), asyncio.get_running_loop().create_future())
    inbox.put_news(described("n1", "old"))
    inbox.put_news(opening)
    inbox.put_news(described("n1", "new"))
    assert list(inbox.news) == [opening, described("n1", "new")]


async def test_what_was_replaced_while_it_was_written_is_settled_without_the_newer() -> None:
    inbox = Inbox()
    old, new = described("n1", "old"), described("n1", "new")
    inbox.put_news(old)
    inbox.put_news(new)
    inbox.settle_news(old)
    assert list(inbox.news) == [new]
    inbox.settle_news(new)
    assert not inbox.news
