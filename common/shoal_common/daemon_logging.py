"""How daemons log: one line per event on standard error, for journald or a file, as text or as JSON."""

from __future__ import annotations

import json
import logging
import time
from typing import Final

from shoal_common.log_context import log_fields
from shoal_common.tracing import current_trace

#: Characters of a message; more is cut, and said to be.
LONGEST: Final = 8_000
#: Characters of one field.
_LONGEST_FIELD: Final = 300


def configure_logging(*, debug: bool, form: str = "text", node: str = "") -> None:
    """Set up logging for a daemon.

    Args:
        form: "text" or "json".
        node: name of the node that it is the agent of.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(node) if form == "json" else TextLines(node))
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])
    logging.captureWarnings(True)
    # Libraries have their say when something is wrong; their everyday chatter would drown ours.
    for name in ("asyncio", "aiohttp", "pyroute2", "grpc"):
        logging.getLogger(name).setLevel(logging.INFO if debug else logging.WARNING)
    if not debug:
        logging.getLogger("grpc._cython.cygrpc").addFilter(is_news)


def is_news(record: logging.LogRecord) -> bool:
    """Say no to gRPC's account, with a traceback, of a client that went away while it was answered: they do that."""
    return "ExecuteBatchError raised in core by servicer method" not in record.getMessage()


class _Lines(logging.Formatter):
    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def _fields(self) -> dict[str, str]:
        """Return the fields of the task that logs, bounded."""
        fields = {"node": self._node} if self._node else {}
        fields |= {key: str(value)[:_LONGEST_FIELD] for key, value in log_fields().items() if value not in ("", None)}
        if trace := current_trace():
            fields["trace"] = trace
        return fields

    def _told(self, record: logging.LogRecord) -> tuple[str, str]:
        """Return the message, and what a fault left behind."""
        fault = self.formatException(record.exc_info) if record.exc_info else ""
        return _cut(record.getMessage()), _cut(fault, keep_end=True)


class TextLines(_Lines):
    """A line for people: time, level, logger, message, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        message, fault = self._told(record)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        said = f"{message}; {fault}" if fault else message
        fields = " ".join(f"{key}={value}" for key, value in self._fields().items())
        end = f" [{fields}]" if fields else ""
        return _one_line(f"{when},{record.msecs:03.0f} {record.levelname:<7} {record.name}: {said}{end}")


class JsonLines(_Lines):
    """A line for machines: an object with time, level, logger, message, and a field for each that there is."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        message, fault = self._told(record)
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{when}.{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **self._fields(),
        }
        if fault:
            line["fault"] = fault
        # ASCII only: what moves a terminal's cursor is escaped, whatever its script.
        return json.dumps(line)


def _cut(text: str, *, keep_end: bool = False) -> str:
    if len(text) <= LONGEST:
        return text
    note = f" ... ({len(text) - LONGEST} characters left out) ... "
    # What a fault was is at the end of its account.
    return note + text[-LONGEST:] if keep_end else text[:LONGEST] + note.rstrip()


def _one_line(text: str) -> str:
    """Return `text` with what is not printable written out, so that no line can pass for two, or colour a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
