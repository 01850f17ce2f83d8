"""Objects of any kind."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shoal_cli.documents import containers, images, volumes
from shoal_cli.formats import api_fields, as_dict
from shoal_cli.templates import Struct
from shoal_proto.v1.container_pb2 import Container
from shoal_proto.v1.image_pb2 import Image
from shoal_proto.v1.volume_pb2 import Volume

if TYPE_CHECKING:
    from google.protobuf.message import Message


def document(message: Message) -> Struct:
    """Return an object as Docker shows one; as the API does, if Docker has nothing that is the same."""
    match message:
        case Container():
            return containers.document(message)
        case Image():
            return images.document(message)
        case Volume():
            return volumes.document(message)
    return Struct(as_dict(message), partial(api_fields, message))
