"""How a container ends, and what comes after."""

from __future__ import annotations

from typing import Final, TypedDict

from shoal_common.restart_policy import Restart, parse_restart
from shoal_proto.v1.container_pb2 import ContainerConfig, RestartMode, RestartPolicy

_RESTARTS: Final = {
    Restart.NO: RestartMode.RESTART_MODE_NO,
    Restart.ON_FAILURE: RestartMode.RESTART_MODE_ON_FAILURE,
    Restart.ALWAYS: RestartMode.RESTART_MODE_ALWAYS,
    Restart.UNLESS_STOPPED: RestartMode.RESTART_MODE_UNLESS_STOPPED,
}


class LifeOptions(TypedDict, total=False):
    """Of its end and its restarts."""

    #: Name of the signal that asks it to end, such as "SIGQUIT".
    stop_signal: str
    #: Seconds between that signal and SIGKILL; left out means 10.
    stop_timeout: int
    #: Remove it once it has ended.
    auto_remove: bool
    #: What its node does when it has ended by itself: "no", "on-failure", "on-failure:N" (at most N times), "always",
    #: "unless-stopped". Not together with auto_remove.
    restart: str


def restart_policy(text: str) -> RestartPolicy:
    """Return the policy that `text` means, such as "on-failure:3".

    Raises:
        InvalidSpec: it means none.
    """
    policy, most = parse_restart(text)
    return RestartPolicy(mode=_RESTARTS[policy], maximum_retries=most)


def apply(config: ContainerConfig, options: LifeOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: restart can never be right.
    """
    config.stop_signal = options.get("stop_signal", "")
    config.auto_remove = options.get("auto_remove", False)
    if "restart" in options:
        config.restart.CopyFrom(restart_policy(options["restart"]))
    if "stop_timeout" in options:
        config.stop_timeout_seconds = options["stop_timeout"]
