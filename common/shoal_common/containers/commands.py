"""What a container runs, as its user and its image say it. Pure."""

from __future__ import annotations

from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.image_pb2 import ImageConfig


def command_of(config: ContainerConfig, image: ImageConfig) -> tuple[str, ...]:
    """Join the user's entry point and arguments with the image's, as Docker does.

    Raises:
        InvalidSpec: neither names a command.
    """
    command = _joined(config, image)
    if not command:
        raise InvalidSpec(
            f'image "{config.image}" names no command and none was given (append one: shoal run IMAGE COMMAND)'
        )
    return command


def _joined(config: ContainerConfig, image: ImageConfig) -> tuple[str, ...]:
    if not config.HasField("entrypoint"):
        return (*image.entrypoint, *(config.args or image.cmd))
    own = tuple(config.entrypoint.values)
    if not own:
        return tuple(config.args or image.cmd)
    # An entry point of one's own makes the image's arguments meaningless; [""] is how Docker's clients say "none".
    return (*(() if own == ("",) else own), *config.args)
