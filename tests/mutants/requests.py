"""Mutants of what is done with requests that nobody should send."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_COMMON: Final = "common/shoal_common"
_TESTS: Final = "tests/unit/common/test_rpc_requests.py"

REQUESTS: Final = (
    Mutant(
        "unreadable-request-is-served",
        f"{_COMMON}/rpc_server.py",
        "    if isinstance(request, ShoalError):\n        raise request",
        "    return",
        f"{_TESTS}::test_what_is_no_request_is_the_callers_mistake",
        "bytes that are no request look like a fault of the controller's own",
    ),
    Mutant(
        "message-of-any-length",
        f"{_COMMON}/rpc_errors.py",
        "data.decode() if len(data) <= LONGEST",
        "data.decode() if True",
        f"{_TESTS}::test_a_message_is_cut_to_what_can_be_sent",
        "an error that quotes a long name never reaches its caller, who is told of headers that are too large",
    ),
    Mutant(
        "device-read-without-end",
        f"{_COMMON}/small_files.py",
        "    if len(data) > MOST:",
        "    if False:",
        "tests/unit/common/test_small_files.py::test_the_largest_that_is_taken",
        "a file of any size is taken for a list of variables, and sent",
    ),
)
