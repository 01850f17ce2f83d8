"""What loosens and what tightens a container, as a person asks for it; each test named for what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal_agent.runtime.confinement import own_capabilities
from shoal_agent.runtime.oom_scores import own_score
from tests.parts.lab import LabUnderTest

#: Number of CAP_NET_ADMIN.
_NET_ADMIN = 12


@pytest.fixture
def loosened(clean_lab: LabUnderTest) -> Iterator[LabUnderTest]:
    """The lab with everything allowed, and nothing again after."""
    names = [each["allowed"] for each in clean_lab.json_lines("cluster", "policy", "--format", "json")]
    assert names == [[]]
    words = ("capabilities", "new-privileges", "seccomp", "devices", "privileged", "oom-score")
    clean_lab.run("cluster", "policy", *(word for name in words for word in ("--allow", name)))
    yield clean_lab
    clean_lab.run("cluster", "policy", *(word for name in words for word in ("--deny", name)))


def effective(lab: LabUnderTest, *options: str) -> int:
    status = lab.out("run", "--rm", *options, lab.image, "grep", "CapEff", "/proc/self/status")
    return int(status.split()[1], 16)


@pytest.mark.parametrize(
    ("words", "permission"),
    [
        (("--cap-add", "NET_ADMIN"), "capabilities"),
        (("--cap-add", "all"), "capabilities"),
        (("--security-opt", "seccomp=unconfined"), "seccomp"),
        (("--security-opt", "no-new-privileges=false"), "new-privileges"),
        (("--privileged",), "privileged"),
        (("--oom-score-adj", "-1"), "oom-score"),
        (("--device", "/dev/fuse"), "devices"),
    ],
)
def test_what_loosens_is_refused_before_anything_is_made(
    clean_lab: LabUnderTest, words: tuple[str, ...], permission: str
) -> None:
    done = clean_lab.run("run", *words, clean_lab.image, "true", ok=None)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    assert f"shoal cluster policy --allow {permission})" in done.stderr
    assert not clean_lab.containers()


def test_what_was_refused_runs_once_it_is_allowed_and_never_after_it_is_denied(clean_lab: LabUnderTest) -> None:
    shown = clean_lab.out("cluster", "policy", "--allow", "capabilities")
    assert shown.split()[:2] == ["POLICY", "ALLOWED"]
    assert ["capabilities", "yes"] in [line.split()[:2] for line in shown.splitlines()]
    assert effective(clean_lab, "--cap-add", "net_admin") == 0xA80425FB | 1 << _NET_ADMIN
    clean_lab.run("cluster", "policy", "--deny", "capabilities")
    assert clean_lab.run("run", "--cap-add", "NET_ADMIN", clean_lab.image, "true", ok=None).returncode == 125


def test_capabilities_are_dropped_without_anybodys_leave(clean_lab: LabUnderTest) -> None:
    assert effective(clean_lab, "--cap-drop", "ALL") == 0
    assert effective(clean_lab, "--cap-drop", "CHOWN") == 0xA80425FB & ~1
    assert effective(clean_lab, "--cap-drop", "ALL", "--cap-add", "CHOWN") == 1
    # What is executed beside it has no more.
    clean_lab.run("run", "-d", "--name", "a", "--cap-drop", "ALL", clean_lab.image, "sleep", "1000")
    assert clean_lab.out("exec", "a", "grep", "CapBnd", "/proc/self/status").split()[1].strip("0") == ""
    assert clean_lab.run("exec", "a", "chown", "1:1", "/etc/passwd", ok=None).returncode == 1


def test_a_capability_more_opens_its_system_calls_to_this_container_alone(loosened: LabUnderTest) -> None:
    mount = ("sh", "-c", "mkdir /m; mount -t tmpfs x /m && echo mounted || echo refused")
    where = ("--constraint", "node.labels.ssd==true")
    # The second and the fourth must not get the filter that was compiled for the one before.
    asked = ((), ("--cap-add", "SYS_ADMIN"), (), ("--security-opt", "seccomp=unconfined", "--cap-add", "SYS_ADMIN"), ())
    found = [loosened.out("run", "--rm", *where, *each, loosened.image, *mount) for each in asked]
    assert found == ["refused", "mounted", "refused", "mounted", "refused"]


def test_a_seccomp_profile_of_ones_own_is_what_holds(loosened: LabUnderTest, tmp_path: Path) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    option = ("--security-opt", f"seccomp={profile}")
    script = "mkdir /x 2>&1; unshare -U true && echo unshared"
    output = loosened.out("run", "--rm", *option, loosened.image, "sh", "-c", script)
    assert "assign requested address" in output
    assert output.endswith("unshared")


def test_a_device_is_its_own_and_one_that_no_node_has_is_told(loosened: LabUnderTest) -> None:
    script = "(exec 3<>/dev/fuse) && stat -c %u /dev/fuse; test -e /dev/kvm || echo nothing else"
    done = loosened.out("run", "--rm", "--device", "/dev/fuse", loosened.image, "sh", "-c", script)
    assert done.splitlines() == ["0", "nothing else"]
    missing = loosened.run("run", "--rm", "--device", "/dev/no-such", loosened.image, "true", ok=None)
    assert (missing.returncode, "device /dev/no-such is not on this node" in missing.stderr) == (125, True)


def test_one_that_is_privileged_is_still_not_root_of_its_node(loosened: LabUnderTest) -> None:
    script = (
        "mkdir /m; mount -t tmpfs x /m && echo mounts; (echo 1 >/proc/sys/kernel/panic) 2>/dev/null || echo no panic; "
        "cut -c1-22 /proc/self/uid_map | tr -s ' '"
    )
    output = loosened.out("run", "--rm", "--privileged", loosened.image, "sh", "-c", script).split("\n")
    assert output[:2] == ["mounts", "no panic"]
    assert int(output[2].split()[1]) >= 524288


def test_setuid_programs_give_more_only_where_it_was_asked_for(loosened: LabUnderTest) -> None:
    script = "grep NoNewPrivs /proc/self/status"
    assert loosened.out("run", "--rm", loosened.image, "sh", "-c", script).split()[1] == "1"
    option = ("--security-opt", "no-new-privileges=false")
    assert loosened.out("run", "--rm", *option, loosened.image, "sh", "-c", script).split()[1] == "0"


def test_limits_groups_and_kernel_parameters_are_as_asked_also_for_what_is_executed(clean_lab: LabUnderTest) -> None:
    options = (
        *("--ulimit", "nofile=100:200", "--ulimit", "core=0"),
        *("--group-add", "1234", "--group-add", "root"),
        *("--sysctl", "net.core.somaxconn=77", "--sysctl", "kernel.shmmni=99"),
    )
    script = "ulimit -Sn; ulimit -Hn; ulimit -c; id -G; cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmni"
    clean_lab.run("run", "-d", "--name", "a", *options, clean_lab.image, "sh", "-c", f"{script}; sleep 1000")
    found = clean_lab.out("exec", "a", "sh", "-c", script).split()
    assert found == ["100", "200", "0", "0", "1234", "77", "99"]
    assert clean_lab.out("logs", "a").split() == found


def test_a_limit_above_the_nodes_own_is_told_with_its_own(clean_lab: LabUnderTest) -> None:
    done = clean_lab.run("run", "--rm", "--ulimit", "nofile=1000000000", clean_lab.image, "true", ok=None)
    assert done.returncode == 125
    assert "more than this node's own of" in done.stderr


def test_who_is_killed_first_for_want_of_memory(clean_lab: LabUnderTest) -> None:
    look = ("cat", "/proc/self/oom_score_adj")
    clean_lab.run("run", "-d", "--name", "a", "--oom-score-adj", "500", clean_lab.image, "sleep", "1000")
    assert clean_lab.out("exec", "a", *look) == clean_lab.out("exec", "a", "cat", "/proc/1/oom_score_adj") == "500"
    assert clean_lab.out("inspect", "-f", "{{.HostConfig.OomScoreAdj}}", "a") == "500"
    # A change of limits leaves it.
    clean_lab.run("update", "--pids-limit", "50", "a")
    clean_lab.run("restart", "-t", "0", "a")
    assert clean_lab.out("exec", "a", *look) == "500"
    assert clean_lab.out("run", "--rm", clean_lab.image, *look) == "0"


def test_to_be_killed_later_than_others_is_for_the_nodes_agent_to_give(loosened: LabUnderTest) -> None:
    look = ("cat", "/proc/self/oom_score_adj")
    done = loosened.run("run", "--rm", "--oom-score-adj", "-500", loosened.image, *look, ok=None)
    if own_score(own_capabilities()).lowers:
        assert (done.returncode, done.stdout) == (0, "-500\n"), done.stderr
    else:
        assert (done.returncode, done.stderr.count("\n")) == (125, 1)
        assert "oom score adjustment of -500 is less than this node's agent's own of 0" in done.stderr


def test_variables_and_labels_come_from_files_and_an_id_goes_to_one(clean_lab: LabUnderTest, tmp_path: Path) -> None:
    env, labels, cid = tmp_path / "env", tmp_path / "labels", tmp_path / "cid"
    env.write_text('# none\nA=1\nB="two words"\nC=3\n')
    labels.write_text("team=one\nflag\n")
    options = ("--env-file", str(env), "-e", "C=4", "--label-file", str(labels), "--cidfile", str(cid))
    output = clean_lab.out("run", "--name", "a", *options, clean_lab.image, "sh", "-c", 'echo "$A-$B-$C"')
    assert output == '1-"two words"-4'
    found = clean_lab.inspect("a")
    assert found["spec"]["config"]["labels"] == {"team": "one", "flag": ""}
    assert cid.read_text() == found["spec"]["id"]
    again = clean_lab.run("run", "--cidfile", str(cid), clean_lab.image, "true", ok=None)
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    # Nothing was made, so nothing is told.
    other = tmp_path / "other"
    assert clean_lab.run("run", "--cidfile", str(other), "no/such:1", ok=None).returncode == 125
    assert not other.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cap-add", "FLY"), "'FLY' is not known"),
        (("--cap-drop", ""), "not known"),
        (("--security-opt", "apparmor=x"), "not supported"),
        (("--security-opt", "seccomp=/no/such"), "No such file"),
        (("--security-opt", "seccomp=/etc/hostname"), "no JSON"),
        (("--ulimit", "nofile"), "NAME=SOFT"),
        (("--ulimit", "files=1"), "not known"),
        (("--oom-score-adj", "-1001"), "-1000<=x<=1000"),
        (("--device", "/etc/shadow"), "not below /dev"),
        (("--device", "/dev/fuse:/dev/x:q"), "not valid"),
        (("--sysctl", "kernel.panic=1"), "not one of a container's own"),
        (("--env-file", "/no/such"), "does not exist"),
        (("--label-file", "/"), "is a directory"),
    ],
)
def test_what_can_never_be_is_refused_before_anything_is_sent(
    clean_lab: LabUnderTest, words: tuple[str, ...], said: str
) -> None:
    done = clean_lab.run("run", *words, clean_lab.image, "true", ok=None)
    assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert not clean_lab.containers()
