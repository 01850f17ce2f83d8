"""Which cluster to talk to: contexts in a JSON file, as the environment or the caller selects them.

    {"current": "lab",
     "contexts": {"lab": {"endpoints": ["10.77.0.2:7400"], "ca": "ca.pem", "certificate": "me.pem", "key": "me.key"},
                  "here": {"socket": "/run/shoal/controller.sock"}}}

Relative paths start at the file's own directory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_common.errors import InvalidSpec, NotFound
from shoal_common.ids import check_name

#: Where a controller serves the administrator of its own host.
LOCAL_SOCKET: Final = Path("/run/shoal/controller.sock")
_TLS_FIELDS: Final = ("ca", "certificate", "key")


@dataclass(frozen=True, slots=True)
class Context:
    """How to reach one cluster: through a local socket, or at endpoints with certificates.

    Attributes:
        name: what `shoal context use` calls it; "" for the local socket that no file names.
        endpoints: "HOST:PORT" of each controller, in the order they are tried.
        ca: certificate (PEM) that every controller's certificate must be signed by.
        certificate: the client's own (PEM).
        key: belongs to the certificate (PEM).
        socket: unix socket of a controller on this host; nothing else is used if it is set.
    """

    name: str
    endpoints: tuple[str, ...] = ()
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    socket: Path | None = None

    def __post_init__(self) -> None:
        if self.socket is None:
            if not self.endpoints:
                raise InvalidSpec(f'context "{self.name}" has neither endpoints nor a socket')
            for field in _TLS_FIELDS:
                if getattr(self, field) is None:
                    raise InvalidSpec(f'context "{self.name}" has endpoints but no "{field}" (the path of a PEM file)')

    @property
    def address(self) -> str:
        """Return where it leads, for people."""
        return f"unix:{self.socket}" if self.socket is not None else ",".join(self.endpoints)

    def as_json(self) -> dict[str, object]:
        """Return what the file holds for it."""
        if self.socket is not None:
            return {"socket": str(self.socket)}
        return {"endpoints": list(self.endpoints)} | {field: str(getattr(self, field)) for field in _TLS_FIELDS}


def configuration_path() -> Path:
    """Return $SHOAL_CONFIG, else config.json in the user's configuration directory."""
    if path := os.environ.get("SHOAL_CONFIG"):
        return Path(path)
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "shoal" / "config.json"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The contexts of a file, and which of them is in use.

    Attributes:
        path: of the file; it need not exist.
        current: name of the context in use; "" for none.
    """

    path: Path
    current: str
    contexts: Mapping[str, Context]

    @classmethod
    def load(cls, path: Path | None = None) -> Configuration:
        """Read the file; one that does not exist has no contexts.

        Raises:
            InvalidSpec: it can't be read, or is not what it should be; the message names file and field.
        """
        path = path or configuration_path()
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return cls(path=path, current="", contexts={})
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise InvalidSpec(f"configuration {path} can't be read: {reason}") from error
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InvalidSpec(f"configuration {path} is not JSON: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("contexts", {}), dict):
            raise InvalidSpec(f'configuration {path} is not an object with "contexts"')
        contexts = {name: _context(path, name, fields) for name, fields in data.get("contexts", {}).items()}
        current = data.get("current", "")
        if not isinstance(current, str):
            raise InvalidSpec(f'configuration {path}: "current" is not the name of a context')
        return cls(path=path, current=current, contexts=contexts)

    def context(self, name: str) -> Context:
        """Return the context called `name`.

        Raises:
            NotFound: there is none; the message says which there are.
        """
        if name not in self.contexts:
            known = ", ".join(sorted(self.contexts)) or "none"
            raise NotFound(f'context "{name}" is not in {self.path} (there: {known})')
        return self.contexts[name]

    def put(self, context: Context, *, current: bool) -> Configuration:
        """Store `context` under its name, in use if `current` is set; returns the new configuration.

        Raises:
            InvalidSpec: the name is not valid, or the file can't be written.
        """
        check_name("context", context.name)
        contexts = {**self.contexts, context.name: context}
        return self._save(context.name if current else self.current, contexts)

    def remove(self, name: str) -> Configuration:
        """Forget the context called `name`, if there is one; returns the new configuration.

        Raises:
            InvalidSpec: the file can't be written.
        """
        contexts = {other: context for other, context in self.contexts.items() if other != name}
        return self._save("" if self.current == name else self.current, contexts)

    def use(self, name: str) -> Configuration:
        """Make `name` the context in use; returns the new configuration.

        Raises:
            NotFound: there is no such context.
            InvalidSpec: the file can't be written.
        """
        return self._save(self.context(name).name, self.contexts)

    def _save(self, current: str, contexts: Mapping[str, Context]) -> Configuration:
        # Only here, since every command reads contexts and few write them.
        import tempfile

        data = {"current": current, "contexts": {name: context.as_json() for name, context in contexts.items()}}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Readers see the old file or the new one, never a part.
            with tempfile.NamedTemporaryFile("w", dir=self.path.parent, prefix=".config.", delete=False) as file:
                json.dump(data, file, indent=2)
                file.write("\n")
            os.replace(file.name, self.path)
        except OSError as error:
            raise InvalidSpec(f"configuration {self.path} can't be written: {error.strerror}") from error
        return Configuration(path=self.path, current=current, contexts=contexts)


def _context(path: Path, name: str, fields: object) -> Context:
    if not isinstance(fields, dict):
        raise InvalidSpec(f'configuration {path}: context "{name}" is not an object')

    def file(field: str) -> Path | None:
        value = fields.get(field)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise InvalidSpec(f'configuration {path}: "{field}" of context "{name}" is not a path')
        return path.parent / Path(value).expanduser()

    endpoints = fields.get("endpoints", [])
    if not isinstance(endpoints, list) or not all(isinstance(each, str) and ":" in each for each in endpoints):
        raise InvalidSpec(f'configuration {path}: "endpoints" of context "{name}" is not a list of "HOST:PORT"')
    return Context(
        name=name,
        endpoints=tuple(endpoints),
        ca=file("ca"),
        certificate=file("certificate"),
        key=file("key"),
        socket=file("socket"),
    )


def choose_context(name: str | None = None, *, local_socket: Path = LOCAL_SOCKET) -> Context:
    """Return the context to use: `name`, else $SHOAL_CONTEXT, else the file's current one, else the local socket.

    Raises:
        NotFound: there is no such context, or nothing at all says where a cluster is.
        InvalidSpec: the configuration is not what it should be.
    """
    configuration = Configuration.load()
    wanted = name or os.environ.get("SHOAL_CONTEXT") or configuration.current
    if wanted:
        return configuration.context(wanted)
    if local_socket.exists():
        return Context(name="", socket=local_socket)
    if configuration.contexts:
        raise NotFound(
            f"no context is in use in {configuration.path} (choose one with: shoal context use "
            f"{min(configuration.contexts)})"
        )
    raise NotFound(
        f"no cluster is configured: there is no {configuration.path} and no socket {local_socket} "
        "(start one with: shoal lab up, or set SHOAL_CONFIG)"
    )
