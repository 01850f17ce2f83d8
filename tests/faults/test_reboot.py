"""A host loses its power: everything on it has ended; what was stopped stays stopped, policies start the rest again."""

from __future__ import annotations

import pytest

from tests.parts.lab import LabUnderTest, eventually

HERE = ("--constraint", "node.name==node1")
POLICIES = ("always", "unless-stopped", "on-failure", "no")
#: Says that it begins, then stays.
STAYS = ("sh", "-c", "echo began; exec sleep 1000")


def _make(shoal: LabUnderTest) -> None:
    for policy in POLICIES:
        shoal.run("run", "-d", "--name", policy, "--restart", policy, *HERE, shoal.image, *STAYS)
        shoal.run("exec", policy, "sh", "-c", f"echo {policy} >/kept")
        shoal.run("run", "-d", "--name", f"{policy}-stopped", "--restart", policy, *HERE, shoal.image, *STAYS)
        shoal.run("create", "--name", f"{policy}-created", "--restart", policy, *HERE, shoal.image, *STAYS)
    shoal.run("stop", "-t", "0", *(f"{policy}-stopped" for policy in POLICIES))


def _phases(shoal: LabUnderTest) -> dict[str, str]:
    return {name: each["phase"].removeprefix("CONTAINER_PHASE_") for name, each in shoal.containers().items()}


@pytest.mark.parametrize("led", [True, False], ids=["led", "with no controller"])
def test_a_reboot_ends_everything_and_policies_apply(clean_lab: LabUnderTest, *, led: bool) -> None:
    shoal = clean_lab
    _make(shoal)
    before = shoal.containers()
    if not led:
        shoal.lab("kill", "control1/controller")
    try:
        shoal.lab("reboot", "node1")
        if not led:
            # Nobody is there to ask for anything.
            eventually(
                lambda: shoal.inside("node1", "sh", "-c", "pgrep -cx sleep || true").strip() == "3",
                seconds=30,
                what="what its policies start",
            )
    finally:
        if not led:
            shoal.lab("start", "control1/controller")
    expected = {
        **dict.fromkeys(("always", "unless-stopped", "on-failure"), "RUNNING"),
        "no": "EXITED",
        **{f"{policy}-stopped": "EXITED" for policy in POLICIES},
        **{f"{policy}-created": "CREATED" for policy in POLICIES},
    }
    eventually(lambda: shoal.node_state("node1") == "READY", seconds=30, what="node1 ready")
    eventually(lambda: _phases(shoal) == expected, seconds=30, what=f"{expected}, not {_phases(shoal)}")
    # The controller has to connect anew.
    eventually(lambda: shoal.run("exec", "always", "true", ok=None).returncode == 0, seconds=15, what="exec")
    after = shoal.containers()
    for name, each in after.items():
        assert each["placement"] == before[name]["placement"], "addresses and places stay"
    for policy in POLICIES[:3]:
        status = after[policy]["status"]
        assert status["restarts"] == 1
        assert [(a["exit_code"], a["by_policy"]) for a in status["attempts"]] == [(137, False), (0, True)]
        assert status["attempts"][0]["reason"] == "the host was restarted"
        assert shoal.out("exec", policy, "cat", "/kept") == policy
        assert shoal.out("logs", policy).split() == ["began", "began"]
    assert (after["no"]["status"]["exit_code"], after["no"]["detail"]) == (137, "the host was restarted")
    assert shoal.out("logs", "no") == "began"
    # What was left is as useful as before.
    shoal.run("start", "no", "always-created", "always-stopped")
    eventually(lambda: _phases(shoal)["no"] == "RUNNING", seconds=15, what="a later start")
    assert shoal.out("exec", "no", "cat", "/kept") == "no"
