"""Creating a container: checks, the image's digest, and one transaction that happens once however often it is asked."""

from __future__ import annotations

import logging
import time
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.containers.commands import command_of
from shoal_common.containers.environment import seal_env
from shoal_common.containers.permissions import named
from shoal_common.errors import AlreadyExists, PermissionDenied, Unavailable
from shoal_common.ids import SHORT_ID
from shoal_common.log_context import bind
from shoal_common.references import parse_reference
from shoal_common.registry import Registry
from shoal_common.sealing import Sealer
from shoal_common.timings import phase
from shoal_common.tracing import current_trace
from shoal_controller.api.containers import joining
from shoal_controller.api.containers.exposed import expose
from shoal_controller.api.containers.reading import Finder
from shoal_controller.api.images.configs import ImageConfigs
from shoal_controller.api.policy import held
from shoal_controller.api.validation import fields
from shoal_controller.api.views import Views
from shoal_controller.api.volumes.use import add_image_volumes, add_volumes, uses_volumes
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, OutcomeUnknown, Txn
from shoal_controller.state.store import SCHEMA, ContainerEntry, Stored, encode, read
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerSpec,
    CreateContainerRequest,
    CreateContainerResponse,
    DesiredState,
    Tombstone,
)
from shoal_proto.v1.image_pb2 import ImageConfig

_log: Final = logging.getLogger(__name__)

#: Times that a transaction is tried against names that others free and take at the same time.
_ATTEMPTS: Final = 5
#: Likewise for those that mount volumes: of several that name the same one, each transaction lets one succeed.
_ATTEMPTS_WITH_VOLUMES: Final = 100


class Creation:
    """Serves `CreateContainer`."""

    def __init__(
        self,
        kv: KV,
        cache: ClusterCache,
        sealer: Sealer,
        registry: Registry,
        default_registry: str,
        views: Views,
        finder: Finder,
    ) -> None:
        self._kv = kv
        self._cache = cache
        self._finder = finder
        self._sealer = sealer
        self._registry = registry
        self._image_configs = ImageConfigs(registry)
        self._default_registry = default_registry
        self._views = views

    async def create(self, request: CreateContainerRequest) -> CreateContainerResponse:
        """Create the container, or answer the one that the same request has created.

        Raises:
            InvalidSpec: the request can never be carried out.
            AlreadyExists: the name is taken, or the id by another request.
            NotFound: there is no such image, or no container of the name that is joined.
            Conflict: the container that is joined does not run.
            PermissionDenied: it asks for what the cluster's policy does not allow.
            Unavailable: the registry or the store does not answer; the same request may be sent again.
        """
        bind(container=request.id[:SHORT_ID])
        with phase("validation"):
            config = fields.create_request(request)
            namespace = fields.namespace(request.namespace)
            mac = self._sealer.mac(request.SerializeToString(deterministic=True))
            answer = self._known(namespace, request.id, mac)
        if answer is not None:
            return answer
        await joining.resolve(self._finder, namespace, config, start=request.start)
        await self._check_policy(request.name, config)
        with phase("image"):
            repository, digest, image = await self._resolve(config.image)
        if config.publish_all and image is None:
            raise Unavailable(f'the registry does not say which ports image "{config.image}" exposes (name them: -p)')
        if image is not None:
            command_of(config, image)
        expose(config, image.exposed_ports if image is not None else ())
        add_image_volumes(config, image.volumes if image is not None else ())
        spec = ContainerSpec(
            schema=SCHEMA,
            id=request.id,
            namespace=namespace,
            name=request.name,
            config=config,
            sealed_env=seal_env(self._sealer, request.id, config.env),
            image_digest=digest,
            image_repository=repository,
            desired=DesiredState.DESIRED_STATE_RUNNING if request.start else DesiredState.DESIRED_STATE_CREATED,
            run=1 if request.start else 0,
            request_mac=mac,
            created_at=_timestamp(),
            trace_id=current_trace(),
            permissions=named(config),
        )
        del spec.config.env[:]
        return await self._commit(spec)

    def _known(self, namespace: str, container: str, mac: bytes) -> CreateContainerResponse | None:
        """Return what an earlier request with this id has come to, as far as the cache knows.

        Raises:
            AlreadyExists: it was another request.
        """
        entry = self._cache.containers.get(container)
        if entry is not None and entry.spec is not None:
            _check_same(container, entry.spec.value.request_mac, mac)
            return CreateContainerResponse(container=self._views.container(entry))
        tombstone = self._cache.tombstones.get((namespace, container))
        if tombstone is not None:
            _check_same(container, tombstone.value.request_mac, mac)
            return CreateContainerResponse(tombstone=_shown(tombstone.value))
        return None

    async def _check_policy(self, name: str, config: ContainerConfig) -> None:
        try:
            held(self._cache, name, config)
        except PermissionDenied:
            # It may have been allowed a moment ago, by way of another controller.
            revision, _ = await self._kv.get(keys.policy())
            await self._cache.reached(revision)
            held(self._cache, name, config)

    async def _resolve(self, image: str) -> tuple[str, str, ImageConfig | None]:
        """Return repository (with its registry), digest and configuration of an image; None if only nodes have it."""
        reference = parse_reference(image)
        host = reference.registry or self._default_registry
        repository = f"{host}/{reference.repository}"
        try:
            manifest = await self._registry.resolve(host, reference.repository, reference.target)
        except Unavailable:
            # What the cluster runs already may run once more without its registry: nodes may have it.
            if reference.digest and self._runs(repository, reference.digest):
                return repository, reference.digest, self._image_configs.known(reference.digest)
            raise
        config = await self._image_configs.of(host, reference.repository, manifest)
        return repository, manifest.digest, config

    def _runs(self, repository: str, digest: str) -> bool:
        specs = (entry.spec.value for entry in self._cache.containers.values() if entry.spec is not None)
        return any(spec.image_digest == digest and spec.image_repository == repository for spec in specs)

    async def _commit(self, spec: ContainerSpec) -> CreateContainerResponse:
        key = keys.container_spec(spec.namespace, spec.id)
        name_key = keys.name(spec.namespace, "container", spec.name)
        for _ in range(_ATTEMPTS_WITH_VOLUMES if uses_volumes(spec) else _ATTEMPTS):
            txn = Txn()
            add_volumes(txn, self._cache, spec)
            txn.put(key, encode(spec), expect=0)
            txn.put(name_key, encode(spec.id), expect=0)
            txn.require(keys.tombstone(spec.namespace, spec.id), revision=0)
            if (policy := held(self._cache, spec.name, spec.config)) is not None:
                txn.require(keys.policy(), revision=policy)
            try:
                with phase("commit"):
                    revision = await self._kv.commit(txn)
            except CompareFailed as failure:
                await self._cache.reached(failure.revision)
                answer = self._known(spec.namespace, spec.id, spec.request_mac)
                if answer is not None:
                    return answer
                self._refuse_taken(spec)
                continue  # Whoever had the name has given it up meanwhile.
            except OutcomeUnknown:
                revision, stored = await read(self._kv, ContainerSpec, key)
                if stored is None or stored.value.request_mac != spec.request_mac:
                    raise
            _log.info("created container %s from %s", spec.name, spec.config.image)
            with phase("cache"):
                await self._cache.reached(revision)
            answer = self._known(spec.namespace, spec.id, spec.request_mac)
            if answer is None:
                # Removed and buried while we waited, its tombstone gone as well: a clock has leapt, or a store was set
                # back. It was created all the same.
                created = ContainerEntry(spec.namespace, spec.id, Stored(spec, revision, revision))
                answer = CreateContainerResponse(container=self._views.container(created))
            return answer
        raise Unavailable(
            f'container name "{spec.name}" or a volume of it is taken and freed by others all the time (try again)'
        )

    def _refuse_taken(self, spec: ContainerSpec) -> None:
        taken = self._cache.names.get((spec.namespace, "container", spec.name))
        if taken is not None:
            raise AlreadyExists(
                f'container name "{spec.name}" is taken by container {taken.value[:SHORT_ID]} '
                f"(choose another, or remove that one: shoal rm {spec.name})"
            )


def _check_same(container: str, stored: bytes, mac: bytes) -> None:
    if stored != mac:
        raise AlreadyExists(
            f"container id {container[:SHORT_ID]} was used for another request (propose a new id, or repeat the same)"
        )


def _shown(tombstone: Tombstone) -> Tombstone:
    shown = Tombstone()
    shown.CopyFrom(tombstone)
    shown.request_mac = b""
    return shown


def _timestamp() -> Timestamp:
    now = Timestamp()
    now.FromNanoseconds(time.time_ns())
    return now
