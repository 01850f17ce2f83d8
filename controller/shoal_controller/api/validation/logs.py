"""Checks of what a container asks for its log."""

from __future__ import annotations

from shoal_common.containers.log_options import check_files, check_names, check_size
from shoal_proto.v1.container_pb2 import ContainerConfig


def logs(config: ContainerConfig) -> None:
    """Check what is asked.

    Raises:
        InvalidSpec: it can never be.
    """
    if config.log.max_size_bytes:
        check_size(config.log.max_size_bytes)
    if config.log.max_files:
        check_files(config.log.max_files)
    check_names("labels", config.log.labels)
    check_names("env", config.log.env)
