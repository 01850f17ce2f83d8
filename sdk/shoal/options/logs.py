"""What becomes of what it writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from shoal_common.log_options import check_names
from shoal_proto.v1.container_pb2 import ContainerConfig


class LogOptions(TypedDict, total=False):
    """Of its log."""

    #: Names of labels, and of variables, that `shoal logs --details` shows with each line.
    log_labels: Iterable[str]
    log_env: Iterable[str]


def apply(config: ContainerConfig, options: LogOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    if labels := check_names("labels", options.get("log_labels", ())):
        config.log.labels[:] = labels
    if env := check_names("env", options.get("log_env", ())):
        config.log.env[:] = env
