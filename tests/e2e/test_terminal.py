"""Containers at a terminal, as a person uses them."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess

import pytest

from tests.parts.lab import LabUnderTest, eventually
from tests.parts.terminal import PROMPT, Terminal, screen, terminal

RESIZED = "trap 'stty size' WINCH; echo ready; while :; do read -t 1 x && exit 4; done"


def prompt(shell: Terminal) -> None:
    shell.until(PROMPT)


def begin(lab: LabUnderTest, how: str) -> tuple[str, ...]:
    """Return how `shoal` begins a program in a terminal: as a container's first process, or beside it."""
    if how == "run":
        return ("run", "--rm", "-it", lab.image)
    lab.run("run", "-d", "--name", "box", lab.image)
    return ("exec", "-it", "box")


def test_a_shell_has_the_terminals_size_and_its_exit_code_is_ones_own(clean_lab: LabUnderTest) -> None:
    with terminal(clean_lab, "run", "--rm", "-it", clean_lab.image, "sh", rows=31, columns=97) as shell:
        prompt(shell)
        assert b"31 97" in shell.command("stty size")
        assert b"xterm" in shell.command("echo $TERM")
        shell.type("exit 7\r")
        assert shell.end()[0] == 7
    assert not clean_lab.containers()


def test_the_first_thing_a_program_sees_is_the_right_size(clean_lab: LabUnderTest) -> None:
    # Read from the standard input, which -t alone makes a terminal too.
    with terminal(clean_lab, "run", "--rm", "-t", clean_lab.image, "stty", "size", rows=17, columns=61) as program:
        code, said = program.end()
        # This side of it is not raw, and adds a return of its own.
        assert (code, said.split()) == (0, [b"17", b"61"])


@pytest.mark.parametrize("how", ["run", "exec"])
def test_a_window_of_another_size_is_told_to_the_program(clean_lab: LabUnderTest, how: str) -> None:
    with terminal(clean_lab, *begin(clean_lab, how), "sh", "-c", RESIZED) as program:
        program.until("ready")
        program.resize(40, 132)
        program.until("40 132")
        program.resize(20, 50)
        program.until("20 50")
        program.type("\r")
        assert program.end()[0] == 4


@pytest.mark.parametrize("how", ["run", "exec"])
def test_control_c_interrupts_the_program_and_not_the_client(clean_lab: LabUnderTest, how: str) -> None:
    with terminal(clean_lab, *begin(clean_lab, how), "sh") as shell:
        prompt(shell)
        shell.type("sh -c 'echo here; exec sleep 1000'\r")
        shell.until("\r\nhere\r\n")
        shell.type(b"\x03")
        prompt(shell)
        assert b"130" in shell.command("echo $?")
        shell.type(b"\x04")
        # Its exit code is that of the last command.
        assert shell.end()[0] == 0


def test_the_detach_keys_leave_it_running_and_attach_comes_back(clean_lab: LabUnderTest) -> None:
    with terminal(clean_lab, "run", "-it", "--name", "shell", clean_lab.image, "sh") as shell:
        prompt(shell)
        shell.command("kept=42")
        # A single Ctrl-P is passed on once another key follows.
        shell.type(b"\x10x")
        shell.type(b"\x03\x10\x11")
        code, said = shell.end()
        assert code == 0
        assert b"detached; container shell runs on" in said
    assert clean_lab.inspect("shell")["phase"] == "CONTAINER_PHASE_RUNNING"
    with terminal(clean_lab, "attach", "--detach-keys", "ctrl-a,d", "shell", rows=30, columns=90) as shell:
        # The shell draws its prompt anew by itself.
        prompt(shell)
        assert b"42" in shell.command("echo $kept")
        assert b"30 90" in shell.command("stty size")
        shell.type(b"\x01d")
        assert shell.end()[0] == 0
    with terminal(clean_lab, "attach", "shell") as shell:
        prompt(shell)
        shell.type("exit 3\r")
        assert shell.end()[0] == 3
    with terminal(clean_lab, "start", "-ai", "shell") as shell:
        prompt(shell)
        shell.type("exit 5\r")
        assert shell.end()[0] == 5


def test_the_terminal_is_as_before_whatever_ends_the_client(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-dit", "--name", "shell", clean_lab.image, "sh")
    with terminal(clean_lab, "attach", "shell") as shell:
        before = os.get_terminal_size(shell.child.child_fd)
        prompt(shell)
        assert not shell.child.getecho()
        shell.child.kill(signal.SIGTERM)
        code, said = shell.end()
        assert code == 128 + signal.SIGTERM, said
        assert before.columns == 80
    assert clean_lab.inspect("shell")["phase"] == "CONTAINER_PHASE_RUNNING"


def test_no_terminal_means_none_to_pass_on(clean_lab: LabUnderTest) -> None:
    done = clean_lab.run("run", "--rm", "-it", clean_lab.image, "sh", ok=None)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the input device is not a terminal" in done.stderr
    assert not clean_lab.containers()


def test_attaching_to_what_does_not_run_says_so(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "--name", "over", clean_lab.image, "true")
    done = clean_lab.run("attach", "over", ok=False)
    said = 'container "over" can\'t be attached to: it does not run (start it: shoal start -a over)'
    assert done.stderr == f"shoal: {said}\n"


def test_bytes_go_through_run_i_as_they_are(clean_lab: LabUnderTest) -> None:
    data = os.urandom(3 << 20)
    done = clean_lab.run("run", "--rm", "-i", clean_lab.image, "sha256sum", input=data)
    assert done.stdout.split()[0] == hashlib.sha256(data).hexdigest()
    # Standard output and standard error stay apart, and the end of the input ends it.
    program = ("sh", "-c", "cat; echo err >&2; exit 3")
    done = clean_lab.run("run", "--rm", "-i", clean_lab.image, *program, input=b"in", ok=None)
    assert (done.stdout, done.stderr, done.returncode) == ("in", "err\n", 3)


def test_an_input_that_nobody_holds_stays_open(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-di", "--name", "cat", clean_lab.image, "cat")
    for line in (b"one\n", b"two\n"):
        client = clean_lab.spawn("attach", "cat", stdin=subprocess.PIPE)
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(line)
        client.stdin.close()
        assert client.stdout.readline() == line
        client.stdin = None
        client.kill()
        client.communicate()
    assert clean_lab.inspect("cat")["phase"] == "CONTAINER_PHASE_RUNNING"


def test_a_detached_exec_runs_on(clean_lab: LabUnderTest) -> None:
    clean_lab.run("run", "-d", "--name", "box", clean_lab.image)
    done = clean_lab.run("exec", "-d", "box", "sh", "-c", "sleep 0.3; touch /tmp/done; sleep 1000")
    assert done.stdout == done.stderr == ""
    made = ("exec", "box", "test", "-e", "/tmp/done")
    eventually(lambda: clean_lab.run(*made, ok=None).returncode == 0, seconds=10, what="a file")
    assert re.search("sleep 1000", clean_lab.out("exec", "box", "ps"))
    for options in (("-d",), ("-t",), ()):
        failed = clean_lab.run("exec", *options, "box", "no-such", ok=None)
        assert failed.returncode == 127
        assert "no-such" in failed.stdout + failed.stderr


def test_a_full_screen_is_drawn_anew_when_one_comes_back(clean_lab: LabUnderTest) -> None:
    with terminal(clean_lab, "run", "-it", "--name", "edit", clean_lab.image, "vi", "/etc/passwd") as editor:
        editor.until("root:x:0:0")
        editor.type(b"\x10\x11")
        assert editor.end()[0] == 0
    with terminal(clean_lab, "attach", "edit", rows=12, columns=60) as editor:
        shown = screen(editor.until(r"/etc/passwd[^\r\n]*"), rows=12, columns=60)
        assert shown[0] == "root:x:0:0:root:/root:/bin/sh", shown
        assert shown[11].startswith("- /etc/passwd"), shown
        editor.type(":q!\r")
        assert editor.end()[0] == 0


def test_a_client_that_does_not_read_freezes_nothing(clean_lab: LabUnderTest) -> None:
    program = "i=0; while :; do i=$((i+1)); echo $i-0123456789012345678901234567890123456789 | tee /tmp/last; done"
    clean_lab.run("run", "-dt", "--name", "flood", clean_lab.image, "sh", "-c", program)

    def count() -> int:
        return int(clean_lab.out("exec", "flood", "cat", "/tmp/last").partition("-")[0] or 0)

    with terminal(clean_lab, "attach", "flood") as client:
        client.until("-0123456789")
        client.child.kill(signal.SIGSTOP)
        # Far more than would fit between the container and the client.
        begin = count()
        eventually(lambda: count() > begin + 20_000, seconds=120, what="a container that goes on")
        client.child.kill(signal.SIGCONT)
        client.until("-0123456789")
