"""Terminals outlast agents and controllers."""

from __future__ import annotations

from tests.parts.lab import LabUnderTest
from tests.parts.terminal import PROMPT, terminal


def test_a_terminal_goes_on_when_agent_and_controller_were_killed(clean_lab: LabUnderTest) -> None:
    place = ("--constraint", "node.name==node2")
    with terminal(clean_lab, "run", "--rm", "-it", *place, clean_lab.image, "sh") as shell:
        shell.until(PROMPT)
        shell.command("kept=43")
        for host, daemon in (("node2", "agent"), ("control1", "controller")):
            clean_lab.lab("kill", host, daemon)
            shell.until("trying again")
            clean_lab.lab("start", host)
            shell.until(r"attached to container .* again")
            shell.type("\r")
            shell.until(PROMPT)
            assert b"43" in shell.command("echo $kept")
        shell.type("exit 6\r")
        assert shell.end()[0] == 6
