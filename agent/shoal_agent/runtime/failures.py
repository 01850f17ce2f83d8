"""What OCI runtimes say when they can't start something, as exit codes and lines that people understand."""

from __future__ import annotations

import json
import re
from typing import Final

from shoal_common.errors import InvalidSpec, ShoalError

#: Docker's exit codes for what went wrong before the program ran.
RUNTIME_FAILED: Final = 125
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127


class StartFailed(ShoalError):
    """A container, or a command in it, could not be started.

    Attributes:
        code: 125 (Shoal's or the runtime's fault), 126 (not executable) or 127 (not found).
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoDirectory(StartFailed, InvalidSpec):
    """The working directory of a command can't be entered."""


#: Said of the program itself, by crun and by runc.
_ABOUT_PROGRAM: Final = re.compile(
    r"exec: |executable file|exec container process|open executable|\bexec /"
    r"|^the path `.*` (?:exists but it is not executable|is not a regular file)|^cannot find `.*` in \$PATH"
)
_MISSING: Final = re.compile(r"not found|no such file or directory", re.IGNORECASE)
_DENIED: Final = re.compile(r"permission denied|operation not permitted|is a directory", re.IGNORECASE)
_FORMAT: Final = re.compile(r"exec format error", re.IGNORECASE)
_CWD: Final = re.compile(r"chdir|\bcwd\b", re.IGNORECASE)
#: crun: chdir `/x`: Why; runc: chdir to cwd ("/x") set in config.json failed: why.
_NO_DIRECTORY: Final = re.compile(r"^chdir\b[^`\"]*[`\"](?P<name>.*?)[`\"].*: (?P<why>[^:]+)$")
_PREFIX: Final = re.compile(
    r"^(?:runc (?:create|run|exec) failed: |exec failed: |unable to start container process: "
    r"|error during container init: |container_linux\.go:\d+: |OCI runtime \w+ failed: )+"
)


def explain(runtime: str, text: str, program: str) -> StartFailed:
    """Return the error for what a runtime said.

    Args:
        runtime: its name, for the message.
        text: its log (JSON lines) or its standard error.
        program: the first word of the command.
    """
    said = _last_error(text)
    if _FORMAT.search(said):
        return StartFailed(NOT_EXECUTABLE, f'"{program}" is not a program for this machine (exec format error)')
    if directory := _NO_DIRECTORY.match(said):
        return NoDirectory(
            RUNTIME_FAILED,
            f'working directory "{directory["name"]}" can\'t be entered: {directory["why"].lower()} '
            "(name one that is there)",
        )
    if _ABOUT_PROGRAM.search(said) and not _CWD.search(said):
        if _DENIED.search(said) and program:
            return StartFailed(NOT_EXECUTABLE, f'"{program}" can\'t be executed: permission denied (is it a program?)')
        if "missing dynamic library" in said or ("/" in program and _says_interpreter(said)):
            return StartFailed(NOT_FOUND, f'"{program}" needs an interpreter or library that the image lacks')
        if _MISSING.search(said) or not program:
            where = "image" if "/" in program else "image's PATH"
            return StartFailed(NOT_FOUND, f'executable "{program}" not found in the {where}')
    return StartFailed(RUNTIME_FAILED, f"{runtime} could not start it: {said or 'it gave no reason'}")


def _says_interpreter(said: str) -> bool:
    # runc says so only after the program itself was found: without "stat".
    return said.startswith("exec /") and "no such file" in said


def _last_error(text: str) -> str:
    """Return the last thing that went wrong, as one line."""
    found = ""
    for line in text.splitlines():
        line = line.strip()
        if not line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            found = line
            continue
        if isinstance(entry, dict) and entry.get("level") in {"error", "fatal"}:
            found = str(entry.get("msg", ""))
    return _PREFIX.sub("", " ".join(found.split()))
