"""Where users of a volume go, why one waits, and how a volume ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoal_controller.core.explain import pending_reason
from shoal_controller.core.orchestrate import Finish, Place, SetRole, plan
from shoal_controller.core.removal import Depart
from shoal_controller.core.snapshot import Amounts, ContainerView, NodeView, Snapshot, VolumeView
from shoal_controller.core.volumes import AllowsBind, ForgetVolume, LoseVolume, RemoveVolume
from tests.unit.controller.core.clusters import (
    EMPTY,
    FORCED,
    GIB,
    REMOVED,
    cluster,
    node,
    settle,
    with_containers,
)

DATA = VolumeView("v1", "data")
ON_2 = replace(DATA, node="id-n2", node_name="n2")


def user(id_: str, *, created: int = 0, **more: object) -> ContainerView:
    return replace(ContainerView(id=id_, created=created, volumes=(("v1", "data"),)), **more)  # type: ignore[arg-type]


def with_volume(volume: VolumeView, *containers: ContainerView, **nodes: object) -> Snapshot:
    there = [replace(node(name), **nodes) for name in ("n1", "n2", "n3")]  # type: ignore[arg-type]
    return cluster(there, containers, volumes={volume.id: volume})


def placed(snapshot: Snapshot) -> dict[str, str]:
    return {each.container: each.node for each in plan(snapshot, limit=100) if isinstance(each, Place)}


def test_users_go_where_the_data_is() -> None:
    assert set(placed(with_volume(ON_2, user("a"), user("b"), user("c"))).values()) == {"id-n2"}


def test_the_first_user_decides_for_those_after_it_in_the_same_plan() -> None:
    where = placed(with_volume(DATA, *(user(f"c{n}", created=n) for n in range(5))))
    assert len(where) == 5
    assert len(set(where.values())) == 1


def test_a_volume_that_is_placed_nowhere_brings_its_constraints() -> None:
    picky = replace(DATA, constraints=("node.name==n3",))
    assert placed(with_volume(picky, user("a"))) == {"a": "id-n3"}
    # Once it is somewhere its data counts, not where it might have been.
    assert placed(with_volume(replace(picky, node="id-n2"), user("a"))) == {"a": "id-n2"}


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        (ON_2, "3 nodes: 1 lacks memory (needs 4 GiB, most free 1 GiB), n1, n3: volume data is on n2"),
        (replace(ON_2, lost=True), "the data of volume data was lost with its node"),
        (None, "volume data is not in the cluster any more"),
    ],
)
def test_the_reason_says_where_the_data_is(volume: VolumeView | None, reason: str) -> None:
    waits = user("a", need=Amounts(4 * GIB))
    nodes = [node("n1"), node("n2", memory=GIB), node("n3")]
    snapshot = cluster(nodes, [waits], volumes={"v1": volume} if volume else {})
    assert plan(snapshot, limit=10) == ()
    assert reason.replace("n1, n3: volume", "n1: volume data is on n2, n3: volume") in pending_reason(snapshot, waits)


def test_binds_go_where_the_node_allows_them() -> None:
    nodes = [node("n1"), node("n2", bind_paths=("/srv:ro",)), node("n3", bind_paths=("/srv/www", "/var"))]

    def where(path: str, *, read_only: bool) -> set[str]:
        check = AllowsBind(path, read_only)
        return {each.name for each in nodes if check.check(each)}

    assert where("/srv/www", read_only=False) == {"n3"}
    assert where("/srv/www/a", read_only=True) == {"n2", "n3"}
    assert where("/srv", read_only=False) == set()
    assert where("/srv/www2", read_only=False) == set()
    assert where("/", read_only=True) == set()
    assert AllowsBind("/", read_only=False).check(NodeView("x", "x", bind_paths=("/",)))
    waits = ContainerView(id="a", binds=(("/srv", False),))
    snapshot = cluster(nodes, [waits])
    assert pending_reason(snapshot, waits) == (
        "3 nodes: n1, n2, n3 don't let containers mount /srv to write (agent --allow-bind)"
    )


def test_own_volumes_go_before_the_container_is_told_to_and_only_if_asked() -> None:
    own = replace(ON_2, owner="a")
    gone = user("a", desired=REMOVED)
    assert plan(with_volume(own, gone), limit=10) == (Finish("a"),)
    removing = with_volume(own, replace(gone, remove_volumes=True))
    assert plan(removing, limit=10) == (RemoveVolume("v1"), Finish("a"))
    # Its data is the node's to remove, and to say so.
    assert settle(removing).volumes["v1"].removed
    # A volume that was given a name is nobody's own.
    assert plan(with_volume(ON_2, replace(gone, remove_volumes=True)), limit=10) == (Finish("a"),)


def test_a_volume_without_data_is_forgotten_when_nobody_names_it() -> None:
    leaving = replace(DATA, removed=True)
    assert plan(with_volume(leaving), limit=10) == (ForgetVolume("v1"),)
    assert ForgetVolume("v1") not in plan(with_volume(leaving, user("a")), limit=10)
    assert plan(with_volume(replace(leaving, node="id-n1")), limit=10) == ()
    assert plan(with_volume(replace(leaving, node="id-n1", lost=True)), limit=10) == (ForgetVolume("v1"),)


def test_data_is_lost_only_by_force_and_before_its_node_departs() -> None:
    def leaving(removal: object) -> Snapshot:
        return cluster([node("n1"), node("n2", removal=removal)], volumes={"v1": ON_2})

    assert plan(leaving(EMPTY), limit=10) == ()
    assert plan(leaving(FORCED), limit=10) == (LoseVolume("v1", "id-n2"),)
    settled = settle(leaving(FORCED))
    assert "id-n2" not in settled.nodes
    assert settled.volumes["v1"].lost
    waits = user("a")
    assert "was lost with its node" in pending_reason(with_containers(settled, waits), waits)
    # What is to go anyway holds up nothing.
    assert plan(replace(leaving(EMPTY), volumes={"v1": replace(ON_2, removed=True)}), limit=10) == (Depart("id-n2"),)


def test_a_removed_container_tells_its_volumes_before_its_last_copy() -> None:
    own = replace(ON_2, owner="a")
    gone = user("a", desired=REMOVED, remove_volumes=True)
    decisions = plan(with_volume(own, gone), limit=10)
    assert [type(each) for each in decisions].index(RemoveVolume) < len(decisions) - 1
    assert not any(isinstance(each, SetRole) for each in decisions[:1])
