"""What a controller is told when it starts, and where its own files lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_common.rpc_client import TlsFiles
from shoal_controller.state.endpoints import Endpoints

JOIN_PORT: Final = 7401


@dataclass(frozen=True, slots=True)
class ControllerFiles:
    """The files below a controller's data root; root's alone."""

    root: Path

    @property
    def tls(self) -> TlsFiles:
        """The controller's own certificate, and the authority it trusts."""
        return TlsFiles(self.root / "ca.pem", self.root / "controller.pem", self.root / "controller.key")

    @property
    def seal_key(self) -> Path:
        """The key that seals environments and credentials in etcd; never stored there itself."""
        return self.root / "seal.key"

    @property
    def store_mark(self) -> Path:
        """How far this controller has seen its store."""
        return self.root / "store-mark.json"

    @property
    def admin(self) -> Path:
        """What an administrator's client needs: ca.pem, admin.pem, admin.key."""
        return self.root / "admin"


@dataclass(frozen=True, slots=True)
class Settings:
    """How one controller runs.

    Attributes:
        store: the members of etcd.
        listen: "IP:PORT" of the API.
        advertise: "IP:PORT" under which others reach the API.
        join_listen: "IP:PORT" where hosts join.
        socket: unix socket for the local administrator.
        registry: "HOST:PORT" of the cluster's registry.
        own_registries: "HOST:PORT" of registries that trust the cluster's certificates, and are trusted by them.
        insecure_registries: registries that are spoken to in plain HTTP.
    """

    files: ControllerFiles
    store: Endpoints
    listen: str
    advertise: str
    join_listen: str
    socket: Path
    registry: str
    own_registries: tuple[str, ...]
    insecure_registries: tuple[str, ...]
