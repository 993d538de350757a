"""Paths, options and formats of requests."""

import pytest

from kaito.apiserver import request
from kaito.apiserver.request import Accepted, Options, Target, delete_options, parse_accept, parse_path
from kaito.apiserver.resources import GroupVersion
from kaito.core import ApiError

CORE, APPS = GroupVersion("", "v1"), GroupVersion("apps", "v1")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target(CORE, "pods")),
        ("/api/v1/nodes/n1/status", Target(CORE, "nodes", "", "n1", "status")),
        ("/api/v1/namespaces", Target(CORE, "namespaces")),
        ("/api/v1/namespaces/team", Target(CORE, "namespaces", "", "team")),
        ("/api/v1/namespaces/team/status", Target(CORE, "namespaces", "", "team", "status")),
        ("/api/v1/namespaces/team/pods", Target(CORE, "pods", "team")),
        ("/api/v1/namespaces/team/pods/web/log", Target(CORE, "pods", "team", "web", "log")),
        ("/apis/apps/v1/namespaces/team/deployments/web/scale", Target(APPS, "deployments", "team", "web", "scale")),
        ("/apis/apps/v1", None),
        ("/api/v1", None),
        ("/version", None),
    ],
)
def test_a_path_names_a_part_of_the_api(path, target):
    assert parse_path(path) == target


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        ("application/json", Accepted()),
        (f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Accepted(table=True)),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json", Accepted(partial=True)),
        ("application/vnd.kubernetes.protobuf,application/json", Accepted()),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Accepted()),
    ],
)
def test_the_first_form_that_is_served_is_chosen(header, accepted):
    assert parse_accept(header) == accepted


def test_a_form_that_is_not_served_is_refused():
    with pytest.raises(ApiError) as refused:
        parse_accept("application/vnd.kubernetes.protobuf")
    assert refused.value.code == 406


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ({"dryRun": "Some"}, lambda options: options.dry_run),
        ({"watch": "maybe"}, lambda options: options.flag("watch")),
        ({"limit": "ten"}, lambda options: options.number("limit")),
        ({"fieldValidation": "Never"}, lambda options: options.field_validation),
    ],
)
def test_a_wrong_option_is_a_bad_request(query, read):
    with pytest.raises(ApiError) as refused:
        read(Options(query))
    assert refused.value.code == 400


def test_delete_options_come_from_the_body_then_from_the_query():
    query = Options({"gracePeriodSeconds": "0", "propagationPolicy": "Orphan", "dryRun": "All"})
    from_query = delete_options(query, b"", "")
    assert (from_query.grace_period_seconds, from_query.propagation_policy, from_query.dry_run) == (
        0,
        "Orphan",
        ("All",),
    )
    body = b'{"kind":"DeleteOptions","gracePeriodSeconds":5,"preconditions":{"uid":"u"},"orphanDependents":null}'
    from_body = delete_options(query, body, "application/json")
    assert (from_body.grace_period_seconds, from_body.preconditions.uid) == (5, "u")
    with pytest.raises(ApiError):
        delete_options(query, b'{"gracePeriodSeconds":"soon"}', "application/json")


def test_yaml_keeps_timestamps_as_text():
    assert request.decode(b"at: 2026-01-02T03:04:05Z\non: yes\n", "application/yaml")["at"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("body", "media", "code"),
    [
        (b"{", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"<a/>", "text/xml", 415),
        (b"k8s\x00\x0a\x10", "application/vnd.kubernetes.protobuf", 400),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(body, media, code):
    with pytest.raises(ApiError) as refused:
        request.decode(body, media)
    assert refused.value.code == code
