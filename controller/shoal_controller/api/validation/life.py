"""What a request may say of how a container ends and comes back."""

from __future__ import annotations

from shoal_common.containers.health_checks import check_health
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig, RestartMode, RestartPolicy


def life(config: ContainerConfig) -> None:
    """Check what a configuration says of it.

    Raises:
        InvalidSpec: it can never be right.
    """
    restart(config.restart, auto_remove=config.auto_remove)
    check_health(config.health)


def restart(policy: RestartPolicy, *, auto_remove: bool) -> None:
    """Check a restart policy.

    Args:
        auto_remove: the container is removed once it has ended.

    Raises:
        InvalidSpec: it can never be right.
    """
    if policy.mode not in RestartMode.values():
        raise InvalidSpec(
            f"restart policy {int(policy.mode)} is not known (use no, on-failure, always, unless-stopped)"
        )
    if policy.maximum_retries and policy.mode != RestartMode.RESTART_MODE_ON_FAILURE:
        raise InvalidSpec("a number of restarts goes with the policy on-failure only (write on-failure:N)")
    restarts = policy.mode not in (RestartMode.RESTART_MODE_UNSPECIFIED, RestartMode.RESTART_MODE_NO)
    if auto_remove and restarts:
        raise InvalidSpec(
            "a container that is removed once it has ended can't be started again (leave out --rm or --restart)"
        )
