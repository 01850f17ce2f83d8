"""Where a copy goes: the rules of `docker cp`, for both ways, as a decision about what is there.

Source: Docker's documentation, "docker container cp".
"""

from __future__ import annotations

from dataclasses import dataclass

from shoal_common.errors import Conflict, InvalidSpec, NotFound


@dataclass(frozen=True, slots=True)
class Source:
    """What is copied.

    Attributes:
        path: as it was written.
        directory: whether it is one.
    """

    path: str
    directory: bool

    @property
    def name(self) -> str:
        """The last name of its path; "." where there is none."""
        parts = [part for part in self.path.split("/") if part not in ("", ".")]
        return parts[-1] if parts and parts[-1] != ".." else "."

    @property
    def contents(self) -> bool:
        """Only what is in the directory is meant."""
        return self.path == "." or self.path.endswith("/.")


@dataclass(frozen=True, slots=True)
class Target:
    """Where it is to go.

    Attributes:
        path: as it was written, links resolved where there are any.
        directory: whether it is one; None if nothing is there.
    """

    path: str
    directory: bool | None


@dataclass(frozen=True, slots=True)
class Landing:
    """Where it goes.

    Attributes:
        directory: an existing directory (for all that is known).
        name: what the source is called in there; "." if the directory is to have what the source has.
    """

    directory: str
    name: str


def landing(source: Source, target: Target) -> Landing:
    """Return where a copy goes.

    Raises:
        InvalidSpec: the source is written as a directory and is none.
        NotFound: the target is written as a directory and is not there.
        Conflict: a directory would have to take the place of a file, or a file is written as a directory.
    """
    if not source.directory and source.path.endswith(("/", "/.")):
        raise InvalidSpec(f'"{source.path}" is no directory (leave out the slash at its end)')
    if target.directory:
        return Landing(target.path, "." if source.contents else source.name)
    as_directory = target.path.endswith(("/", "/."))
    if target.directory is None:
        if as_directory and not source.directory:
            raise NotFound(f'directory "{target.path}" is not there (make it first)')
    elif source.directory:
        raise Conflict(f'"{target.path}" is a file, and directory "{source.path}" can\'t be copied onto it')
    elif as_directory:
        raise Conflict(f'"{target.path}" is no directory (leave out the slash at its end)')
    path = target.path.rstrip("/").removesuffix("/.") or "/"
    above, slash, name = path.rpartition("/")
    return Landing(above or slash or ".", name or ".")
