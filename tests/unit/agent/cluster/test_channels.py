"""How long an agent waits for a connection."""

from __future__ import annotations

from shoal_agent.cluster.channels import patience


def test_patience_grows_with_failures_up_to_a_limit() -> None:
    assert [patience(failures) for failures in range(4)] == [4, 8, 16, 16]
    assert patience(1_000) == 16


def test_patience_begins_where_it_is_told_to() -> None:
    assert [patience(failures, least=3.0) for failures in range(4)] == [3, 6, 12, 16]
