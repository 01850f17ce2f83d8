"""`commit`: a container's changes become a layer, which its node pushes; what makes an image of it is put on top here.

The manifest goes last: until then there is no image, and what was pushed for nothing is the registry's to collect.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import grpc.aio

from shoal_common.containers.environment import unseal_env
from shoal_common.errors import InvalidSpec, Unavailable
from shoal_common.image_changes import apply_changes
from shoal_common.references import Reference, parse_reference
from shoal_common.registry import Registry, parse_manifest
from shoal_common.sealing import Sealer
from shoal_controller.api.containers.reading import name_of
from shoal_controller.api.images.committed import Base, Words, documents
from shoal_controller.api.streams.copying import CopyRelay, told, trace
from shoal_controller.api.streams.pump import pump
from shoal_controller.api.streams.relay import Agents
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.agent_pb2 import AgentCommitRequest, AgentCommitResponse
from shoal_proto.v1.container_pb2 import CommitProgress, CommitRequest, ContainerConfig
from shoal_proto.v1.image_pb2 import ImageConfig, Layer


class Committer:
    """Serves `CommitContainer`.

    Args:
        relay: finds containers and their nodes.
        default_registry: host and port of the cluster's own, where new images go.
    """

    def __init__(
        self, relay: CopyRelay, agents: Agents, registry: Registry, sealer: Sealer, default_registry: str
    ) -> None:
        self._relay = relay
        self._agents = agents
        self._registry = registry
        self._sealer = sealer
        self._default_registry = default_registry

    async def commit(self, request: CommitRequest) -> AsyncGenerator[CommitProgress, None]:
        """Yield how many bytes of the layer are there, then the new image's digest.

        Raises:
            InvalidSpec: the name or a change is not valid.
            NotFound: there is no such container, or its image has gone from its registry.
            Conflict: nothing of it is on a node yet.
            Unavailable: its node or a registry does not answer.
        """
        reference = self._reference(request.reference)
        apply_changes(ImageConfig(), request.changes)
        entry, agent, wanted = await self._relay.reach(request.container)
        assert entry.spec is not None, "what has a place has a spec"
        spec = entry.spec.value
        base = await self._base(spec.image_repository, spec.image_digest)
        with self._agents.stream():
            asked = AgentCommitRequest(
                container=wanted,
                repository=f"{self._default_registry}/{reference.repository}",
                pause=request.pause,
            )
            call = agent.stub.Commit(asked, metadata=trace())
            layer: Layer | None = None
            try:
                async with aclosing(pump(call, _merge, name=f"commit-{entry.id[:12]}")) as responses:
                    async for response in responses:
                        yield CommitProgress(bytes=response.bytes)
                        if response.HasField("layer"):
                            layer = response.layer
            except grpc.aio.AioRpcError as error:
                raise told(entry, agent, error) from error
            finally:
                call.cancel()
        if layer is None:
            raise Unavailable(f'the commit of container "{name_of(entry)}" ended without a layer (commit it again)')
        words = Words(request.author, request.message, request.changes)
        name = f'image "{spec.config.image}"'
        made = documents(base, self._config(entry), words, layer, datetime.now(UTC), name)
        await self._carry_over(base, spec.image_repository, reference.repository)
        host, repository = self._default_registry, reference.repository
        await self._registry.push_blob(host, repository, made.config_digest, _once(made.config))
        digest = await self._registry.push_manifest(
            host, repository, reference.tag, made.manifest, media_type=made.media_type
        )
        yield CommitProgress(bytes=layer.size_bytes, digest=digest)

    async def _base(self, image_repository: str, digest: str) -> Base:
        host, _, repository = image_repository.partition("/")
        manifest = await self._registry.resolve(host, repository, digest)
        return Base(manifest, await self._registry.config(host, repository, manifest.body))

    async def _carry_over(self, base: Base, source: str, repository: str) -> None:
        """Have the image's own layers in the new image's repository as well."""
        host, _, source_repository = source.partition("/")
        if (host, source_repository) == (self._default_registry, repository):
            return
        layers = parse_manifest(base.manifest.body, media_type=base.manifest.media_type, name="the image").layers
        for digest in dict.fromkeys(layer.digest for layer in layers):
            await self._registry.copy_blob(
                self._default_registry, repository, digest, source_host=host, source_repository=source_repository
            )

    def _config(self, entry: ContainerEntry) -> ContainerConfig:
        assert entry.spec is not None, "what has a place has a spec"
        config = ContainerConfig()
        config.CopyFrom(entry.spec.value.config)
        config.env[:] = unseal_env(self._sealer, entry.id, entry.spec.value.sealed_env)
        return config

    def _reference(self, text: str) -> Reference:
        reference = parse_reference(text)
        if reference.digest:
            raise InvalidSpec(
                f'image "{text}" has a digest, which only follows from its content (give a name and a tag)'
            )
        if reference.registry not in ("", self._default_registry):
            raise InvalidSpec(
                f'image "{text}" is of registry {reference.registry}: commits go into the cluster\'s own '
                "(leave the registry out)"
            )
        return reference


def _merge(first: AgentCommitResponse, second: AgentCommitResponse) -> bool:
    first.CopyFrom(second)
    return True


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
