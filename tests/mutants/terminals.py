"""Mutants of terminals and input."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_CONSOLES: Final = "agent/shoal_agent/runtime/consoles.py"
_CONSOLE_TESTS: Final = "tests/unit/agent/runtime/test_consoles.py"

TERMINALS: Final = (
    Mutant(
        "stalled-client-holds-a-terminal",
        _CONSOLES,
        "                    first.dropped = True\n                    self._readers.discard(first)\n",
        "                    first.moved = _now()\n",
        f"{_CONSOLE_TESTS}::test_a_client_that_does_not_read_stops_nobody",
        "a client that is stopped freezes the container, and every other client of it",
    ),
    Mutant(
        "slow-client-misses-output",
        _CONSOLES,
        "                    await self._room(len(packet))\n",
        "",
        f"{_CONSOLE_TESTS}::test_a_slow_client_misses_nothing",
        "a screen that is drawn slowly is drawn wrong",
    ),
    Mutant(
        "input-in-packets-that-are-cut",
        _CONSOLES,
        "_PACKET: Final = 16 << 10",
        "_PACKET: Final = 64 << 10",
        f"{_CONSOLE_TESTS}::test_input_is_cut_into_packets_that_conmon_takes_whole",
        "half of every larger piece of input is lost without a word",
    ),
    Mutant(
        "detached-terminal-takes-no-more-input",
        _CONSOLES,
        "        if self.streams.tty or not self.streams.stdin_once:\n            return\n",
        "",
        f"{_CONSOLE_TESTS}::test_the_input_of_a_terminal_does_not_end_with_its_client",
        "who attaches again can't type",
    ),
    Mutant(
        "half-an-input-goes-on-with-the-next-agent",
        _CONSOLES,
        "if adopted and self.streams.stdin_once and not self.streams.tty:",
        "if False:",
        f"{_CONSOLE_TESTS}::test_an_input_for_once_has_ended_with_the_agent_before",
        "input is given to a conmon that has closed it",
    ),
    Mutant(
        "detach-keys-swallow-what-they-held",
        "cli/shoal_cli/detach_keys.py",
        "                passed += begun[:shift]\n",
        "",
        "tests/unit/cli/test_detach_keys.py::test_a_beginning_is_passed_on_with_what_follows",
        "Ctrl-P never reaches a shell",
    ),
    Mutant(
        "attached-again-from-the-beginning",
        "sdk/shoal/attachment.py",
        "                self._start.logs = False\n",
        "",
        "tests/integration/sdk/test_attaching.py::test_it_attaches_again_from_where_it_was",
        "after a controller's death a terminal shows everything a second time",
    ),
)
