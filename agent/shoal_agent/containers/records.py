"""The durable records of a node's containers: one file each, replaced with fsync before each act."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from google.protobuf.message import DecodeError

from shoal_agent.disk import Spares
from shoal_agent.durable import make_directory, remove_file, replace_file, sync_directory
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_common.containers.environment import seal_env, unseal_env
from shoal_common.errors import ShoalError
from shoal_common.ids import is_container_id
from shoal_common.sealing import Sealer
from shoal_proto.v1.agent_pb2 import ContainerRecord

log = logging.getLogger(__name__)

#: fsync waits for the disk, not for a core: some in parallel, so that the disk can merge them.
_THREADS: Final = 4
#: Version of the stored form.
_SCHEMA: Final = 1


class Records:
    """Reads and writes records. Those it returns and takes have the environment in clear, in assignment.config.env.

    Writes of one container must not overlap; its worker sees to that.

    Args:
        paths: of the node.
        sealer: of the environment.
        spares: take the records of containers that are here already on a full disk.
    """

    def __init__(self, paths: NodePaths, sealer: Sealer, spares: Spares) -> None:
        self._paths = paths
        self._spares = spares
        self._sealer = sealer
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="records")

    def close(self) -> None:
        """Wait for writes under way."""
        self._executor.shutdown()

    async def load(self) -> tuple[dict[str, ContainerRecord], set[str]]:
        """Return all records by id, and the ids of containers with files but no record that can be read."""
        return await finished(self._executor, self._load)

    async def save(self, record: ContainerRecord) -> None:
        """Make `record` durable.

        Raises:
            OSError: the disk did not take it; what was there before still holds.
        """
        container = record.assignment.id
        stored = ContainerRecord()
        stored.CopyFrom(record)
        stored.sealed_env = seal_env(self._sealer, container, record.assignment.config.env)
        stored.assignment.config.ClearField("env")
        await finished(self._executor, lambda: self._write(container, stored.SerializeToString()))

    async def drop(self, container: str) -> None:
        """Remove a container's record and its directory. Idempotent."""
        await finished(self._executor, lambda: self._drop(container))

    def _load(self) -> tuple[dict[str, ContainerRecord], set[str]]:
        records: dict[str, ContainerRecord] = {}
        unreadable: set[str] = set()
        make_directory(self._paths.containers)
        for directory in self._paths.containers.iterdir():
            container = directory.name
            if not is_container_id(container):
                continue
            try:
                records[container] = self._read(container)
            except FileNotFoundError:
                # An agent ended between making the directory and the first record, or between dropping the record
                # and removing the directory; if there is more in it, it is a stray.
                directory.joinpath("record.new").unlink(missing_ok=True)
                if any(directory.iterdir()):
                    unreadable.add(container)
                else:
                    directory.rmdir()
            except (ShoalError, DecodeError, OSError) as error:
                log.error("record of container %s can't be read, it is left alone: %s", container[:12], error)
                unreadable.add(container)
        return records, unreadable

    def _read(self, container: str) -> ContainerRecord:
        record = ContainerRecord.FromString(self._paths.record(container).read_bytes())
        if record.schema != _SCHEMA:
            raise DecodeError(f"it is of version {record.schema}, this agent knows version {_SCHEMA}")
        record.assignment.config.env[:] = unseal_env(self._sealer, container, record.sealed_env)
        record.ClearField("sealed_env")
        return record

    def _write(self, container: str, data: bytes) -> None:
        path = self._paths.record(container)
        make_directory(path.parent)
        replace_file(path, data, on_full=self._spares.take)

    def _drop(self, container: str) -> None:
        path = self._paths.record(container)
        if not path.parent.exists():
            return
        remove_file(path)
        path.parent.rmdir()
        sync_directory(self._paths.containers)
