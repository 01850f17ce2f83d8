"""States that only a newer controller knows are shown with their number, not taken for one that is known."""

from __future__ import annotations

import json

from shoal_cli import words
from shoal_cli.formats import as_dict
from shoal_cli.rows import container_columns, node_columns
from shoal_proto.v1.container_pb2 import Container, ContainerPhase
from shoal_proto.v1.node_pb2 import Node
from tests.parts.peers import TOMORROW

FOREIGN = Container(phase=ContainerPhase.CONTAINER_PHASE_RUNNING, detail="state 1000 of a newer version of Shoal")
FOREIGN.phase = TOMORROW  # type: ignore[assignment]


def test_a_phase_of_a_newer_controller() -> None:
    columns = container_columns(0.0, whole=False)
    assert columns["State"][1](FOREIGN) == "unknown (1000)"
    assert words.status(FOREIGN, 0.0) == "Unknown (1000): state 1000 of a newer version of Shoal"
    assert json.loads(json.dumps(as_dict(FOREIGN)))["phase"] == TOMORROW


def test_a_state_of_a_node_of_a_newer_controller() -> None:
    node = Node()
    node.status.state = TOMORROW  # type: ignore[assignment]
    assert node_columns(0.0, whole=False)["Status"][1](node) == "Unknown (1000)"
