"""Image references and digests, in the grammar of the Distribution project.

Source: https://github.com/distribution/reference (reference.go), OCI image specification, descriptor.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from shoal_common.errors import InvalidSpec

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_TAG: Final = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST: Final = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
    r"|\[[0-9a-fA-F:]+\])(?::(?P<port>[0-9]{1,5}))?"
)
MAX_REPOSITORY: Final = 255


def is_digest(text: str) -> bool:
    """Say whether `text` is a sha256 digest such as "sha256:9f86d0..."."""
    return _DIGEST.fullmatch(text) is not None


def check_digest(text: str) -> str:
    """Return `text` if it is a sha256 digest.

    Raises:
        InvalidSpec: it isn't.
    """
    if not is_digest(text):
        raise InvalidSpec(f'digest "{text[:80]}" is not "sha256:" and 64 hexadecimal digits')
    return text


@dataclass(frozen=True, slots=True)
class Reference:
    """An image reference, taken apart.

    Attributes:
        registry: host and port; "" means the cluster's own registry.
        repository: path in the registry, such as "team/web".
        tag: "" if only a digest was given.
        digest: "" if only a tag was given.
    """

    registry: str
    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        text = f"{self.registry}/{self.repository}" if self.registry else self.repository
        if self.tag:
            text += f":{self.tag}"
        return f"{text}@{self.digest}" if self.digest else text

    @property
    def target(self) -> str:
        """What to ask the registry for: the digest if there is one, else the tag."""
        return self.digest or self.tag


def parse_reference(text: str) -> Reference:
    """Take an image reference apart.

    The first component names a registry if it has a dot or a colon or is "localhost", as in Docker. A name without
    one means the cluster's own registry; a name without tag and digest means the tag "latest".

    Raises:
        InvalidSpec: the text is not a reference.
    """
    bad = InvalidSpec(f'image reference "{text[:200]}" is not valid (write NAME[:TAG] or REGISTRY/NAME[:TAG][@DIGEST])')
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise bad
    registry = ""
    first, slash, path = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = _HOST.fullmatch(first)
        if host is None or int(host["port"] or 1) not in range(1, 1 << 16):
            raise bad
        registry, rest = first, path
    repository, colon, tag = rest.partition(":")
    if colon and _TAG.fullmatch(tag) is None:
        raise bad
    if _PATH.fullmatch(repository) is None or len(repository) > MAX_REPOSITORY:
        raise bad
    if not tag and not digest:
        tag = "latest"
    return Reference(registry=registry, repository=repository, tag=tag, digest=digest)
