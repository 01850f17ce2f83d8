"""Who is on the other side of a connection: what a certificate's subject means.

A certificate's common name is the id of its holder, its organisation (O) the role. Every certificate also carries the
DNS name `<id>.<role>.shoal`, so that a client that knows whom it wants checks exactly that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from shoal_common.errors import Unauthenticated

if TYPE_CHECKING:
    from cryptography import x509

#: DNS name in the certificate of every controller, which is what clients and agents check.
CONTROLLER_NAME: Final = "controller.shoal"


class Role(StrEnum):
    """What a certificate lets its holder be."""

    #: May do everything that the API offers.
    ADMIN = "admin"
    CONTROLLER = "controller"
    #: May only speak of its own node.
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Identity:
    """The holder of a certificate, or of the local socket."""

    role: Role
    id: str

    def __str__(self) -> str:
        return f"{self.role} {self.id}"


def node_server_name(node_id: str) -> str:
    """Return the DNS name in the certificate of a node, which is what a controller that dials it checks."""
    return f"{node_id}.node.shoal"


def identity_of(certificate: x509.Certificate) -> Identity:
    """Return whom a certificate (already verified against the cluster's CA) names.

    Raises:
        Unauthenticated: its subject is not one of ours.
    """
    # Not with the module: clients need its names only, and would wait for cryptography.
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    roles = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if len(names) != 1 or len(roles) != 1 or str(roles[0].value) not in Role.__members__.values():
        raise Unauthenticated(f"certificate {certificate.subject.rfc4514_string()} names no role of this cluster")
    return Identity(role=Role(str(roles[0].value)), id=str(names[0].value))
