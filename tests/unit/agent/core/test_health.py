"""What health checks make of a container's health, against a plain model of Docker's words."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.core import health, lifecycle
from shoal_agent.core.health import HEALTHY, STARTING, UNHEALTHY, UNKNOWN, Answer, Check, Health
from shoal_proto.v1.container_pb2 import HealthCheck
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.image_pb2 import ImageConfig
from shoal_proto.v1.node_pb2 import HoldRole

NOW = Timestamp(seconds=1_700_000_000)
CHECK = Check(args=("true",), interval_ms=1_000, start_period_ms=10_000, start_interval_ms=100, retries=3)
GOOD, BAD = Answer(ok=True, output="fine"), Answer(ok=False, output="no answer")


def test_the_user_goes_before_the_image_field_by_field() -> None:
    image = HealthCheck(test=["CMD", "check", "-v"], interval_ms=5_000, retries=7)
    assert health.check_of(HealthCheck(), HealthCheck()) is None
    assert health.check_of(HealthCheck(interval_ms=1), HealthCheck()) is None
    found = health.check_of(HealthCheck(interval_ms=100, start_period_ms=9), image)
    assert found == Check(args=("check", "-v"), interval_ms=100, start_period_ms=9, retries=7)
    shell = health.check_of(HealthCheck(test=["CMD-SHELL", "wget localhost || exit 1"]), image)
    assert shell is not None
    assert shell.args == ("/bin/sh", "-c", "wget localhost || exit 1")


def test_none_turns_off_what_the_image_says() -> None:
    image = HealthCheck(test=["CMD", "check"])
    assert health.check_of(HealthCheck(test=["NONE"]), image) is None
    assert health.check_of(HealthCheck(), HealthCheck(test=["NONE"])) is None
    # What an image may hold and cannot mean is no check.
    for test in (["CMD"], ["CMD-SHELL"], ["CMD-SHELL", "a", "b"], ["check"], [""]):
        assert health.check_of(HealthCheck(), HealthCheck(test=test)) is None


def test_only_so_many_failures_in_a_row_make_it_unhealthy() -> None:
    now = Health(HEALTHY)
    for answer in (BAD, BAD, GOOD, BAD, BAD):
        now = health.after(now, answer, CHECK, age_ms=99_000)
        assert now.state == HEALTHY
    now = health.after(now, BAD, CHECK, age_ms=99_000)
    assert (now.state, now.output) == (UNHEALTHY, "no answer")
    # What made it so stays to be read; one success mends it.
    again = health.after(now, Answer(ok=False, output="later"), CHECK, age_ms=99_000)
    assert (again.state, again.output) == (UNHEALTHY, "no answer")
    assert health.after(again, GOOD, CHECK, age_ms=99_000) == Health(HEALTHY, output="fine")


def test_failures_in_the_start_period_do_not_count_until_one_has_succeeded() -> None:
    now = Health(STARTING)
    for age in (0, 5_000, 9_999):
        now = health.after(now, BAD, CHECK, age_ms=age)
    assert now == Health(STARTING)
    assert health.pause_before(now, CHECK, age_ms=9_999) == CHECK.start_interval_ms
    assert health.pause_before(now, CHECK, age_ms=10_000) == CHECK.interval_ms
    well = health.after(now, GOOD, CHECK, age_ms=5_000)
    assert well.state == HEALTHY
    assert health.pause_before(well, CHECK, age_ms=5_001) == CHECK.interval_ms
    for _ in range(3):
        well = health.after(well, BAD, CHECK, age_ms=6_000)
    assert well.state == UNHEALTHY


@given(
    answers=st.lists(st.tuples(st.booleans(), st.integers(0, 20_000))),
    retries=st.integers(1, 4),
    period=st.sampled_from([0, 10_000]),
)
def test_is_as_docker_says(answers: list[tuple[bool, int]], retries: int, period: int) -> None:
    check = Check(args=("x",), retries=retries, start_period_ms=period)
    now, state, streak = Health(STARTING), STARTING, 0
    for ok, age in sorted(answers, key=lambda each: each[1]):
        now = health.after(now, Answer(ok=ok, output=""), check, age_ms=age)
        if ok:
            state, streak = HEALTHY, 0
        elif state != STARTING or age >= period:
            streak += 1
            if streak >= retries:
                state = UNHEALTHY
        assert (now.state, now.failures) == (state, streak)


def test_a_new_attempt_starts_anew_and_what_has_no_check_has_no_health() -> None:
    assignment = Assignment(id="c" * 64, generation=1, role=HoldRole.HOLD_ROLE_CURRENT, run_admitted=1)
    for checked in (True, False):
        image = ImageConfig(healthcheck=HealthCheck(test=["CMD", "check"] if checked else []))
        record = lifecycle.begun(lifecycle.new_record(assignment))
        record = lifecycle.prepared(record, image=image, layers=[], uid_base=1, command=["x"], now=NOW)
        for attempt in (1, 2):
            record = lifecycle.starting(record, run=attempt, boot_id="b", now=NOW)
            assert record.status.health == UNKNOWN
            record = lifecycle.running(record, pid=1, pid_start=1, conmon_pid=1, conmon_start=1, now=NOW)
            assert record.status.health == (STARTING if checked else UNKNOWN)
            assert not record.status.HasField("health_at")
            before = record.status.report
            record = health.noted(record, Health(UNHEALTHY, 3, "no"), now=NOW)
            assert (record.status.report, record.status.health_at) == (before + 1, NOW)
            # An agent that comes later goes on from there.
            assert health.remembered(record) == Health(UNHEALTHY, output="no")
            record = lifecycle.exited(record, code=0, oom_killed=False, finished=NOW)


@pytest.mark.parametrize("state", [STARTING, HEALTHY, UNHEALTHY])
def test_a_name_is_dockers(state: int) -> None:
    assert health.name(state) in ("starting", "healthy", "unhealthy")  # type: ignore[arg-type]
