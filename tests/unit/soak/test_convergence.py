"""What nodes have on record has to be stored once nothing is in its way."""

from __future__ import annotations

from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerStatus
from shoal_proto.v1.node_pb2 import Hold, NodeSpec
from tests.soak.chronicle import Chronicle
from tests.soak.convergence import AGAIN, LIMIT, Convergence
from tests.soak.history import Trouble
from tests.soak.schedule import Kind

ID, NODE = "a" * 64, "n" * 32
CHRONICLE = Chronicle(
    nodes={NODE: NodeSpec(id=NODE, name="node1")},
    holds={NODE: {ID: Hold(container=ID, generation=1)}},
    statuses={ID: ContainerStatus(generation=1, report=3)},
)


def looks(report: int, *times: float, troubles: tuple[Trouble, ...] = (), generation: int = 1) -> list[str]:
    """Return what is said when the same record is looked at at these times."""
    record = ContainerRecord(status=ContainerStatus(generation=generation, report=report))
    convergence = Convergence()
    return [each.what for now in times for each in convergence.look(now, {("node1", ID): record}, CHRONICLE, troubles)]


def test_what_is_on_record_is_stored_in_time() -> None:
    assert not looks(3, 100, 120)
    assert not looks(4, 100, 100 + LIMIT)
    said = ["node1 has report 4 on record, 3 is stored after 11 s of calm"]
    assert looks(4, 100, 111, 112) == said


def test_nothing_is_expected_while_something_is_wrong() -> None:
    wrong = Trouble(Kind.NODE_CUT, "node1", 90)
    assert not looks(4, 100, 150, troubles=(wrong,))
    wrong.ended = 140
    assert not looks(4, 100, 140 + AGAIN + LIMIT, troubles=(wrong,))
    assert looks(4, 100, 140 + AGAIN + LIMIT + 1, troubles=(wrong,))


def test_the_registry_keeps_nobody_from_reporting() -> None:
    assert looks(4, 100, 111, troubles=(Trouble(Kind.REGISTRY_KILLED, "", 90),))


def test_another_generation_is_not_compared() -> None:
    assert not looks(4, 100, 150, generation=2)
