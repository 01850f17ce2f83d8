"""Two hundred agents lose their leader to SIGKILL: all find the next, none is called down, and nothing is written."""

from __future__ import annotations

from bench.scale.measure import measure

AGENTS = 200
#: Seconds: the lease of the leader that was killed takes three of them.
LIMIT = 20.0


async def test_a_change_of_leader_loses_no_agent_and_writes_nothing() -> None:
    measured = await measure(AGENTS, minutes=0.1, controllers=2, say=print)
    assert measured.downs == 0
    assert measured.lost == 0
    assert measured.changed < LIMIT
    assert measured.arrival is not None
    # A session, the description with the state, and the capacity, of each: once.
    assert measured.arrival.writes == {"session": AGENTS, "status": AGENTS, "ledger": AGENTS}
    assert measured.steady is not None
    assert not measured.steady.writes
    assert measured.change is not None
    assert not measured.change.writes
    # Two connections of each agent, and some that were tried with the controller that is gone.
    assert measured.change.connections < 4 * AGENTS
