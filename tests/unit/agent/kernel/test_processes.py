"""What processes pass on to those they start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from shoal_agent.kernel import processes
from shoal_common.errors import InvalidSpec

PROGRAM = """
import signal, subprocess
from shoal_agent.kernel.processes import start_children_clean
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
{clean}
print(subprocess.run(["grep", "^SigIgn", "/proc/self/status"], capture_output=True, text=True).stdout.split()[1])
"""


def _ignored(clean: str) -> int:
    program = PROGRAM.format(clean=clean)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # The two between the standard and the real-time signals are the C library's own: nobody else may touch them.
    return int(done.stdout, 16) & sum(1 << number - 1 for number in signal.valid_signals())


def test_children_ignore_nothing_that_their_parent_ignores() -> None:
    hangup_and_interrupt = 0b11
    assert _ignored("") & hangup_and_interrupt == hangup_and_interrupt
    assert _ignored("start_children_clean()") == 0


@pytest.mark.parametrize("number", [0, 65, 2**31, 2**32 - 1])
def test_what_is_no_signal_is_refused(number: int) -> None:
    with pytest.raises(InvalidSpec, match="1 to 64"):
        processes.send(os.getpid(), processes.start_time(os.getpid()), number)
