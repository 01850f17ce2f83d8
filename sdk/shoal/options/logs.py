"""What becomes of what it writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from shoal_common.containers.log_options import check_files, check_names, check_size
from shoal_proto.v1.container_pb2 import ContainerConfig


class LogOptions(TypedDict, total=False):
    """Of its log."""

    #: Bytes after which a file of it is rotated, and how many of that size are kept; left out, the node says.
    log_max_size: int
    log_max_files: int
    #: Names of labels, and of variables, that `shoal logs --details` shows with each line.
    log_labels: Iterable[str]
    log_env: Iterable[str]


def apply(config: ContainerConfig, options: LogOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    if "log_max_size" in options:
        config.log.max_size_bytes = check_size(options["log_max_size"])
    if "log_max_files" in options:
        config.log.max_files = check_files(options["log_max_files"])
    if labels := check_names("labels", options.get("log_labels", ())):
        config.log.labels[:] = labels
    if env := check_names("env", options.get("log_env", ())):
        config.log.env[:] = env
