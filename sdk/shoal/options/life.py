"""How a container lives and ends, and what comes after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypedDict

from shoal_common.containers.health_checks import MAX_RETRIES, MAX_TIME_MS, check_health
from shoal_common.containers.restart_policy import Restart, parse_restart
from shoal_common.errors import InvalidSpec
from shoal_common.units import parse_duration
from shoal_proto.v1.container_pb2 import ContainerConfig, HealthCheck, RestartMode, RestartPolicy

_RESTARTS: Final = {
    Restart.NO: RestartMode.RESTART_MODE_NO,
    Restart.ON_FAILURE: RestartMode.RESTART_MODE_ON_FAILURE,
    Restart.ALWAYS: RestartMode.RESTART_MODE_ALWAYS,
    Restart.UNLESS_STOPPED: RestartMode.RESTART_MODE_UNLESS_STOPPED,
}


class LifeOptions(TypedDict, total=False):
    """Of its health, its end and its restarts."""

    #: A small init is process 1: it passes signals on and reaps what is left over.
    init: bool
    #: How it is found out that it works: a line for the shell, arguments, or False for not at all, whatever the image
    #: says. Left out: the image's.
    health_cmd: str | Sequence[str] | Literal[False]
    #: Text such as "30s", or seconds: between two checks (30 s); for one check (30 s); after the start, while
    #: failures don't count (0); between two checks in that time (5 s).
    health_interval: str | float
    health_timeout: str | float
    health_start_period: str | float
    health_start_interval: str | float
    #: Failures in a row that make it unhealthy (3).
    health_retries: int

    #: Name of the signal that asks it to end, such as "SIGQUIT".
    stop_signal: str
    #: Seconds between that signal and SIGKILL; left out means 10.
    stop_timeout: int
    #: Remove it once it has ended.
    auto_remove: bool
    #: What its node does when it has ended by itself: "no", "on-failure", "on-failure:N" (at most N times), "always",
    #: "unless-stopped". Not together with auto_remove.
    restart: str


def health_check(options: LifeOptions) -> HealthCheck:
    """Return the health check that is asked for; empty if nothing is said of it.

    Raises:
        InvalidSpec: it can never be made.
    """
    check = HealthCheck(
        interval_ms=_milliseconds(options.get("health_interval", 0)),
        timeout_ms=_milliseconds(options.get("health_timeout", 0)),
        start_period_ms=_milliseconds(options.get("health_start_period", 0)),
        start_interval_ms=_milliseconds(options.get("health_start_interval", 0)),
    )
    retries = options.get("health_retries", 0)
    if not 0 <= retries <= MAX_RETRIES:
        raise InvalidSpec(f"{retries} retries of a health check are not possible (give 1 to {MAX_RETRIES})")
    check.retries = retries
    command = options.get("health_cmd", ())
    if command is False:
        if check.ByteSize():
            raise InvalidSpec("no health check and how it is made exclude each other (leave one out)")
        check.test.append("NONE")
    elif isinstance(command, str):
        check.test.extend(("CMD-SHELL", command))
    elif command:
        check.test.extend(("CMD", *command))
    check_health(check)
    return check


def _milliseconds(value: str | float) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    if not 0 <= value * 1000 <= MAX_TIME_MS:
        raise InvalidSpec(f"{value:g} s of a health check are not possible (give 0 to {MAX_TIME_MS // 1000})")
    return int(value * 1000)


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
    config.init = options.get("init", False)
    health = health_check(options)
    if health.ByteSize():
        config.health.CopyFrom(health)
    config.stop_signal = options.get("stop_signal", "")
    config.auto_remove = options.get("auto_remove", False)
    if "restart" in options:
        config.restart.CopyFrom(restart_policy(options["restart"]))
    if "stop_timeout" in options:
        config.stop_timeout_seconds = options["stop_timeout"]
