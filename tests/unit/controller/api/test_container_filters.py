from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.containers.filters import parse_filter
from shoal_common.errors import NotFound
from shoal_common.filters import Filter
from shoal_controller.api.containers.filters import Named, place, shows
from shoal_controller.state.store import ContainerEntry, Stored
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
    HealthState,
    Mount,
    MountKind,
    NetworkMode,
    PortBinding,
)

S = ContainerState
DIGEST = "sha256:" + "ab12" * 16


def entry(
    name: str,
    state: ContainerState | None = S.CONTAINER_STATE_RUNNING,
    *,
    number: int = 1,
    config: ContainerConfig | None = None,
    lost: bool = False,
    ports: tuple[PortBinding, ...] = (),
    exit_code: int = 0,
    health: HealthState = HealthState.HEALTH_STATE_UNSPECIFIED,
    generation: int = 1,
) -> ContainerEntry:
    """Return a container of node n1, created as number `number`, whose run was admitted and served."""
    whole = ContainerConfig(image="team/web:3")
    whole.MergeFrom(config or ContainerConfig())
    id_ = f"{number:064x}"
    spec = ContainerSpec(
        schema=1,
        id=id_,
        name=name,
        config=whole,
        image_digest=DIGEST,
        image_repository="10.0.0.1:5000/team/web",
        desired=DesiredState.DESIRED_STATE_RUNNING,
        run=1,
    )
    placement = ContainerPlacement(schema=1, node="n1", generation=1, run_admitted=1, ports=ports)
    if lost:
        placement.lost_at.FromSeconds(1)
    status = ContainerStatus(
        schema=1,
        generation=generation,
        state=state or S.CONTAINER_STATE_UNSPECIFIED,
        run_served=1,
        exit_code=exit_code,
        health=health,
    )
    return ContainerEntry(
        "default",
        id_,
        Stored(spec, number, number),
        Stored(placement, 90, 90) if state is not None else None,
        Stored(status, 91, 91) if state is not None else None,
    )


WEB = entry(
    "web",
    number=1,
    config=ContainerConfig(
        labels={"tier": "front", "app": "shop"},
        mounts=[
            Mount(kind=MountKind.MOUNT_KIND_VOLUME, source="data", target="/data", volume_id="f" * 64),
            Mount(kind=MountKind.MOUNT_KIND_BIND, source="/srv", target="/www"),
            Mount(kind=MountKind.MOUNT_KIND_TMPFS, target="/tmp"),
        ],
        exposed_ports=["9090/tcp"],
    ),
    ports=(PortBinding(host_port=8080, container_port=80, protocol="tcp"),),
    health=HealthState.HEALTH_STATE_UNHEALTHY,
)
DB = entry(
    "db",
    number=2,
    config=ContainerConfig(image="db", labels={"tier": "back"}, network=NetworkMode.NETWORK_MODE_NONE),
)
JOB = entry("job", S.CONTAINER_STATE_EXITED, number=3, exit_code=7, health=HealthState.HEALTH_STATE_HEALTHY)
BAD = entry("bad", S.CONTAINER_STATE_FAILED, number=4, exit_code=127)
GONE = entry("gone", number=5, lost=True)
WAITING = entry("waiting", None, number=6)
ALL = (WEB, DB, JOB, BAD, GONE, WAITING)


def named(ref: str) -> tuple[int, str]:
    for each in ALL:
        if each.spec is not None and each.spec.value.name == ref:
            return place(each)
    raise NotFound(ref)


NAMED = Named(node={"node1": "n1", "node2": "n2"}.__getitem__, place=named)


def names(*filters: str, everything: bool = False) -> list[str]:
    shown = shows([parse_filter(each) for each in filters], NAMED, everything=everything)
    return [each.spec.value.name for each in ALL if each.spec is not None and shown(each)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], "web db waiting"),
        (["status=exited"], "job"),
        (["status=exited", "status=failed"], "job bad"),
        (["status=dead"], "bad gone"),
        (["status=pending"], "waiting"),
        (["status=running"], "web db"),
        (["exited=7"], "job"),
        (["exited=127"], "bad"),
        # A container that runs has an exit code of 0 that means nothing.
        (["exited=0"], ""),
        (["exited=7", "exited=127"], "job bad"),
        (["name=^w"], "web waiting"),
        (["name=we", "name=db"], "web db"),
        (["label=tier"], "web db"),
        (["label=tier", "label=app"], "web"),
        (["label=tier=back"], "db"),
        (["node=node1"], "web db"),
        (["node=node2"], ""),
        (["ancestor=team/web:3"], "web waiting"),
        (["ancestor=team/web"], ""),
        (["ancestor=db"], "db"),
        (["ancestor=10.0.0.1:5000/team/web:3"], "web waiting"),
        (["ancestor=10.0.0.2:5000/team/web:3"], ""),
        ([f"ancestor=team/web@{DIGEST}"], "web waiting"),
        (["ancestor=sha256:ab12ab"], "web db waiting"),
        (["ancestor=ab12ab12ab12"], "web db waiting"),
        (["health=unhealthy"], "web"),
        (["health=none"], "db waiting"),
        (["volume=data"], "web"),
        (["volume=/data"], "web"),
        (["volume=" + "f" * 64], "web"),
        (["volume=/srv"], "web"),
        (["volume=/tmp"], "web"),
        (["volume=dat"], ""),
        (["network=none"], "db"),
        (["network=bridge"], "web waiting"),
        (["network=default"], "web waiting"),
        (["network=host"], ""),
        (["id=" + "0" * 63 + "2"], "db"),
        (["before=db"], "web"),
        (["since=web"], "db waiting"),
        (["since=web", "before=waiting"], "db"),
        (["publish=8080"], "web"),
        (["publish=8000-8100/tcp"], "web"),
        (["publish=8080/udp"], ""),
        (["publish=80"], ""),
        (["expose=80"], "web"),
        (["expose=9090"], "web"),
        (["status=running", "name=d"], "db"),
    ],
)
def test_chooses(filters: list[str], expected: str) -> None:
    assert names(*filters) == expected.split()


def test_a_health_of_before_the_end_counts_no_more() -> None:
    assert names("health=healthy", everything=True) == []
    assert "job" in names("health=none", everything=True)


def test_a_status_of_another_placement_is_not_its_own() -> None:
    moved = entry("moved", S.CONTAINER_STATE_EXITED, exit_code=7, generation=0)
    assert not shows([parse_filter("exited=7")], NAMED, everything=True)(moved)


def test_what_a_filter_names_has_to_be_there() -> None:
    with pytest.raises(NotFound):
        names("before=nobody")


FILTERS = (
    "status=exited",
    "status=running",
    "name=w",
    "name=db",
    "label=tier",
    "label=app",
    "exited=7",
    "exited=127",
    "network=none",
    "health=none",
    "node=node1",
    "publish=8080",
    "volume=data",
)


@given(st.lists(st.sampled_from(FILTERS), max_size=6), st.randoms(use_true_random=False))
def test_keys_narrow_and_values_widen_whatever_their_order(chosen: list[str], random: object) -> None:
    by_key = {
        key: [each for each in chosen if each.startswith(f"{key}=")] for key in {c.partition("=")[0] for c in chosen}
    }
    expected = {each.id for each in ALL}
    for key, some in by_key.items():
        alone = [set(_ids(parse_filter(each))) for each in some]
        both = alone[0].intersection if key == "label" else alone[0].union
        expected &= both(*alone)
    shuffled = list(chosen)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert set(_ids(*map(parse_filter, shuffled))) == expected


def _ids(*filters: Filter) -> list[str]:
    shown = shows(filters, NAMED, everything=True)
    return list(itertools.compress((each.id for each in ALL), map(shown, ALL)))
