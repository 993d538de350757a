"""The control plane's own share, from audit lines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from kaito.cli.demo.control_plane_share import reactions, read_writes
from kaito.core.clock import micro_timestamp

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONTROLLER, PROVISIONER = "kaito-controller/0.1.0", "kaito-provisioner/0.1.0"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def line(agent: str, verb: str, resource: str, seconds: float, *, took: float = 0.0, **extra: Any) -> bytes:
    name, _, subresource = resource.partition("/")
    return orjson.dumps(
        {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "stage": "ResponseComplete",
            "verb": verb,
            "userAgent": agent,
            "objectRef": {"resource": name, "subresource": subresource, "name": "x"},
            "responseStatus": {"code": 200},
            "requestReceivedTimestamp": micro_timestamp(at(seconds - took)),
            "stageTimestamp": micro_timestamp(at(seconds)),
            **extra,
        }
    )


APPLY = line("kubectl/v1.32.0", "create", "workspaces", 0.0)
READY = line(CONTROLLER, "patch", "workspaces/status", 60.1)


def share(*lines: bytes, ready: float = 60.0) -> float:
    return sum(one.seconds for one in reactions(read_writes(lines), START, at(ready)))


def test_a_write_counts_from_the_moment_its_cause_was_visible() -> None:
    assert share(APPLY, line(CONTROLLER, "create", "machines", 0.25)) == pytest.approx(0.25)


def test_one_controller_is_the_cause_of_the_other() -> None:
    lines = [APPLY, line(CONTROLLER, "create", "machines", 0.1), line(PROVISIONER, "patch", "machines/status", 0.4)]
    found = reactions(read_writes(lines), START, at(60))
    assert [round(one.seconds, 3) for one in found] == [0.1, 0.3]
    assert found[1].cause is not None
    assert found[1].cause.agent == "kaito-controller"


def test_the_time_of_node_cloud_and_model_is_not_ours() -> None:
    lines = [
        APPLY,
        line(CONTROLLER, "create", "machines", 0.1),
        line("kaito-node/0.1.0", "create", "nodes", 30.0),
        line(PROVISIONER, "patch", "machines/status", 30.2),
        line("kaito-node/0.1.0", "patch", "pods/status", 60.0),
        READY,
    ]
    assert share(*lines) == pytest.approx(0.1 + 0.2 + 0.1)


def test_a_cause_outside_the_api_counts_the_request_alone() -> None:
    lines = [APPLY, line(PROVISIONER, "patch", "machines", 0.1), line(PROVISIONER, "patch", "machines", 40, took=0.02)]
    assert share(*lines) == pytest.approx(0.1 + 0.02)


def test_writes_that_go_on_with_the_same_work_count_whole() -> None:
    lines = [APPLY, *(line(CONTROLLER, "patch", "services", 0.1 * number) for number in (1, 2, 3))]
    assert share(*lines) == pytest.approx(0.3)


def test_reports_of_progress_hold_nobody_up_and_only_the_last_one_counts() -> None:
    progress = [line(CONTROLLER, "patch", "workspaces/status", second) for second in (0.5, 10, 20)]
    pod = line("kaito-node", "patch", "pods/status", 60.0)
    late = line(CONTROLLER, "patch", "workspaces/status", 70)
    assert share(APPLY, *progress, pod, READY, late) == pytest.approx(0.1)


def test_events_leases_reads_failures_and_torn_lines_are_passed_over() -> None:
    lines = [
        APPLY,
        line("kaito-node", "update", "leases", 0.20),
        line("kaito-cluster", "create", "endpoints", 0.20),
        line(CONTROLLER, "create", "events", 0.22),
        line(CONTROLLER, "list", "machines", 0.23),
        line(CONTROLLER, "create", "machines", 0.24, responseStatus={"code": 409}),
        line(CONTROLLER, "create", "machines", 0.25, stage="RequestReceived"),
        b'{"kind": "Event", "stage": "ResponseCom',
        b"[]",
        line(CONTROLLER, "create", "machines", 0.3),
    ]
    assert share(*lines) == pytest.approx(0.3)


def test_what_happened_before_the_start_does_not_count() -> None:
    assert share(line(CONTROLLER, "create", "machines", -5), APPLY) == 0
