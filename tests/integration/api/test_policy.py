"""The cluster's policy, over real gRPC and etcd: what it refuses, and that nobody slips past a change of it."""

from __future__ import annotations

import asyncio

import pytest

from shoal_common.errors import InvalidSpec, PermissionDenied
from shoal_controller.api.containers import creation
from shoal_controller.api.policy import held
from shoal_controller.state import keys
from shoal_proto.v1.cluster_pb2 import ClusterPolicy, GetPolicyRequest, UpdatePolicyRequest
from shoal_proto.v1.container_pb2 import ContainerConfig, Security
from tests.parts.api_world import World, create_request, refused

NET_ADMIN = Security(cap_add=["NET_ADMIN"])


async def allowed(world: World) -> list[str]:
    return list((await world.cluster.GetPolicy(GetPolicyRequest())).allowed)


async def test_nothing_is_allowed_until_it_is_said(world: World) -> None:
    await world.image()
    assert await allowed(world) == []
    request = create_request("a", security=NET_ADMIN)
    said = await refused(world.containers.CreateContainer(request), PermissionDenied)
    assert "capability NET_ADMIN" in said
    assert "shoal cluster policy --allow capabilities" in said
    answer = await world.cluster.UpdatePolicy(UpdatePolicyRequest(request_id="1", allow=["capabilities", "devices"]))
    assert list(answer.allowed) == ["capabilities", "devices"]
    made = (await world.containers.CreateContainer(request)).container
    assert list(made.spec.config.security.cap_add) == ["NET_ADMIN"]
    # For leader and node, which have to rely on it.
    assert list(made.spec.permissions) == ["capabilities"]
    await world.cluster.UpdatePolicy(UpdatePolicyRequest(deny=["capabilities"]))
    assert await allowed(world) == ["devices"]
    await refused(world.containers.CreateContainer(create_request("b", security=NET_ADMIN)), PermissionDenied)
    # A repeat of what was created while it was allowed answers it as before.
    assert (await world.containers.CreateContainer(request)).container.spec.id == made.spec.id


async def test_dropping_needs_no_permission(world: World) -> None:
    await world.image()
    made = await world.create("a", security=Security(cap_drop=["all"], cap_add=["CAP_CHOWN"]))
    assert list(made.spec.config.security.cap_drop) == ["ALL"]


async def test_an_update_is_made_once_and_keeps_what_a_newer_version_allows(world: World) -> None:
    await world.put(keys.policy(), ClusterPolicy(schema=1, allowed=["of-tomorrow"]))
    first = UpdatePolicyRequest(request_id="1", allow=["seccomp"])
    await world.cluster.UpdatePolicy(first)
    await world.cluster.UpdatePolicy(UpdatePolicyRequest(request_id="2", deny=["seccomp"]))
    assert await allowed(world) == ["of-tomorrow"]
    repeated = UpdatePolicyRequest(request_id="3", allow=["devices"])
    await world.cluster.UpdatePolicy(repeated)
    revision = world.cache.policy.revision if world.cache.policy is not None else 0
    assert list((await world.cluster.UpdatePolicy(repeated)).allowed) == ["devices", "of-tomorrow"]
    assert world.cache.policy is not None
    assert world.cache.policy.revision == revision
    assert "no-such" in await refused(world.cluster.UpdatePolicy(UpdatePolicyRequest(allow=["no-such"])), InvalidSpec)
    both = UpdatePolicyRequest(allow=["devices"], deny=["devices"])
    assert "say one" in await refused(world.cluster.UpdatePolicy(both), InvalidSpec)


async def test_updates_at_the_same_time_are_all_made(world: World) -> None:
    names = ["privileged", "capabilities", "seccomp", "devices", "bind-mounts"]
    await asyncio.gather(*(world.cluster.UpdatePolicy(UpdatePolicyRequest(allow=[name])) for name in names))
    assert await allowed(world) == sorted(names)


async def test_what_is_denied_while_it_is_created_is_not_created(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.image()
    await world.cluster.UpdatePolicy(UpdatePolicyRequest(allow=["capabilities"]))

    def before_the_change(cache: object, name: str, config: ContainerConfig) -> int | None:
        # What a controller whose cache is behind takes the policy for; then it catches up.
        monkeypatch.setattr(creation, "held", held)
        return revision

    assert world.cache.policy is not None
    revision = world.cache.policy.revision
    await world.cluster.UpdatePolicy(UpdatePolicyRequest(deny=["capabilities"]))
    monkeypatch.setattr(creation.Creation, "_check_policy", _nothing)
    monkeypatch.setattr(creation, "held", before_the_change)
    request = create_request("a", security=NET_ADMIN)
    await refused(world.containers.CreateContainer(request), PermissionDenied)
    assert request.id not in world.cache.containers


async def _nothing(self: object, name: str, config: ContainerConfig) -> None:
    pass
