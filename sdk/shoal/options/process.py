"""What runs, and as whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from shoal_common.containers.runtimes import check_runtime
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.resources_pb2 import StringList


class ProcessOptions(TypedDict, total=False):
    """Of the first process."""

    #: Replaces the image's entry point; an empty list clears it.
    entrypoint: Iterable[str]
    #: Over the image's: a mapping, or "NAME=VALUE" in order.
    env: Mapping[str, str] | Iterable[str]
    #: Absolute directory that the process starts in.
    working_dir: str
    #: "user", "uid", "user:group" or "uid:gid", as the image knows them.
    user: str
    labels: Mapping[str, str]
    #: Left out: the first 12 digits of the id.
    hostname: str
    #: OCI runtime by name, such as "runc": only nodes that have it; left out means the node's default.
    runtime: str


def apply(config: ContainerConfig, options: ProcessOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: env or runtime can never be right.
    """
    env = options.get("env", ())
    variables = [f"{name}={value}" for name, value in env.items()] if isinstance(env, Mapping) else list(env)
    for variable in variables:
        name, equals, _ = variable.partition("=")
        if not equals or not name or "\0" in variable:
            raise InvalidSpec(f'environment variable "{variable[:40]}" is not valid (write NAME=VALUE)')
    config.env.extend(variables)
    config.working_dir = options.get("working_dir", "")
    config.user = options.get("user", "")
    config.labels.update(options.get("labels", {}))
    config.hostname = options.get("hostname", "")
    if runtime := options.get("runtime", ""):
        config.runtime = check_runtime(runtime)
    if "entrypoint" in options:
        config.entrypoint.CopyFrom(StringList(values=list(options["entrypoint"])))
