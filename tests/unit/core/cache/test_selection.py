"""What is listed and watched for which choices: the most specific one wins."""

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict

from kaito.core import KaitoError, Key, Kind
from kaito.core.cache import ALL_NAMESPACES, NamespaceSelection, Selection
from kaito.core.cache.selection import RESYNC_SECONDS, Scope
from kaito.core.objects import PartialObjectMetadata

THING = Kind("example.org/v1", "Thing", dict, "things", True)
CLUSTERED = Kind("example.org/v1", "Place", dict, "places", False)
EVERYTHING = Selection()


def drop_spec(obj):
    return {**obj, "spec": None}


def keep(obj):
    return obj


def scopes(selection, defaults=EVERYTHING, kind=THING):
    return selection.over(defaults, kind).scopes


CASES = {
    "nothing chosen": (EVERYTHING, EVERYTHING, [Scope()]),
    "labels of the kind": (Selection(labels="a=b"), EVERYTHING, [Scope(None, "a=b")]),
    "labels by default": (EVERYTHING, Selection(labels="a=b"), [Scope(None, "a=b")]),
    "labels of the kind over the default": (Selection(labels="c=d"), Selection(labels="a=b"), [Scope(None, "c=d")]),
    "no labels of the kind over the default": (Selection(labels=""), Selection(labels="a=b"), [Scope()]),
    "fields of the kind over the default": (
        Selection(fields="metadata.name=x"),
        Selection(fields="metadata.name=y"),
        [Scope(None, "", "metadata.name=x")],
    ),
    "labels of the kind, fields by default": (
        Selection(labels="a=b"),
        Selection(fields="metadata.name=y"),
        [Scope(None, "a=b", "metadata.name=y")],
    ),
    "transform by default": (EVERYTHING, Selection(transform=keep), [Scope(transform=keep)]),
    "transform of the kind": (Selection(transform=drop_spec), Selection(transform=keep), [Scope(transform=drop_spec)]),
    "one namespace": (Selection(namespace="x"), EVERYTHING, [Scope("x")]),
    "one namespace by default": (EVERYTHING, Selection(namespace="x"), [Scope("x")]),
    "one namespace of the kind over the default": (Selection(namespace="y"), Selection(namespace="x"), [Scope("y")]),
    "all namespaces of the kind over the default": (
        Selection(namespaces={ALL_NAMESPACES: NamespaceSelection()}),
        Selection(namespace="x"),
        [Scope()],
    ),
    "one namespace with labels of the kind": (Selection("x", "a=b"), EVERYTHING, [Scope("x", "a=b")]),
    "two namespaces": (
        Selection(namespaces={"x": NamespaceSelection(), "y": NamespaceSelection()}),
        EVERYTHING,
        [Scope("x"), Scope("y")],
    ),
    "two namespaces by default": (
        EVERYTHING,
        Selection(namespaces={"x": NamespaceSelection("a=b"), "y": NamespaceSelection()}),
        [Scope("x", "a=b"), Scope("y")],
    ),
    "a namespace's labels over the kind's": (
        Selection(labels="k=v", namespaces={"x": NamespaceSelection("a=b"), "y": NamespaceSelection()}),
        EVERYTHING,
        [Scope("x", "a=b"), Scope("y", "k=v")],
    ),
    "a namespace's empty labels over the kind's": (
        Selection(labels="k=v", namespaces={"x": NamespaceSelection("")}),
        EVERYTHING,
        [Scope("x")],
    ),
    "the kind's labels over those of the namespace by default": (
        Selection(labels="k=v", namespaces={"x": NamespaceSelection()}),
        Selection(namespaces={"x": NamespaceSelection("a=b")}),
        [Scope("x", "k=v")],
    ),
    "the labels of the namespace by default over the default": (
        Selection(namespaces={"x": NamespaceSelection(), "y": NamespaceSelection()}),
        Selection(labels="k=v", namespaces={"x": NamespaceSelection("a=b")}),
        [Scope("x", "a=b"), Scope("y", "k=v")],
    ),
    "a namespace's fields over the kind's": (
        Selection(fields="metadata.name=k", namespaces={"x": NamespaceSelection(fields="metadata.name=n")}),
        EVERYTHING,
        [Scope("x", "", "metadata.name=n")],
    ),
    "a namespace's transform over the kind's": (
        Selection(transform=keep, namespaces={"x": NamespaceSelection(transform=drop_spec)}),
        EVERYTHING,
        [Scope("x", transform=drop_spec)],
    ),
    "the rest excludes those that are named": (
        Selection(
            namespaces={ALL_NAMESPACES: NamespaceSelection(), "y": NamespaceSelection("a=b"), "x": NamespaceSelection()}
        ),
        EVERYTHING,
        [Scope(None, "", "metadata.namespace!=x,metadata.namespace!=y"), Scope("y", "a=b"), Scope("x")],
    ),
    "the rest excludes beside its own fields": (
        Selection(namespaces={ALL_NAMESPACES: NamespaceSelection(fields="metadata.name=n"), "x": NamespaceSelection()}),
        EVERYTHING,
        [Scope(None, "", "metadata.name=n,metadata.namespace!=x"), Scope("x")],
    ),
    "the rest by default": (
        EVERYTHING,
        Selection(namespaces={ALL_NAMESPACES: NamespaceSelection(), "x": NamespaceSelection("a=b")}),
        [Scope(None, "", "metadata.namespace!=x"), Scope("x", "a=b")],
    ),
    "a namespace in the field selector narrows the URL": (
        Selection(fields="metadata.namespace=x"),
        EVERYTHING,
        [Scope("x", "", "metadata.namespace=x")],
    ),
    "a namespace in the default field selector narrows it too": (
        EVERYTHING,
        Selection(fields="metadata.namespace=x,metadata.name=y"),
        [Scope("x", "", "metadata.namespace=x,metadata.name=y")],
    ),
    "an excluded namespace narrows nothing": (
        Selection(fields="metadata.namespace!=x"),
        EVERYTHING,
        [Scope(None, "", "metadata.namespace!=x")],
    ),
}


@pytest.mark.parametrize(("selection", "defaults", "expected"), CASES.values(), ids=CASES.keys())
def test_the_most_specific_choice_wins(selection, defaults, expected):
    assert list(scopes(selection, defaults)) == expected


def test_a_cluster_scoped_kind_has_no_namespaces_by_default():
    defaults = Selection(labels="a=b", namespaces={"x": NamespaceSelection("c=d"), "y": NamespaceSelection()})
    assert scopes(EVERYTHING, defaults, CLUSTERED) == (Scope(None, "a=b"),)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("metadata.namespace=x", ""),
        ("metadata.namespace!=x,metadata.name=y", "metadata.name=y"),
        ("metadata.name=y\\,metadata.namespace", "metadata.name=y\\,metadata.namespace"),
    ],
)
def test_a_cluster_scoped_kind_is_not_asked_for_by_namespace(fields, expected):
    assert scopes(EVERYTHING, Selection(fields=fields), CLUSTERED) == (Scope(None, "", expected),)
    assert scopes(Selection(fields=fields), EVERYTHING, CLUSTERED) == (Scope(None, "", expected),)


def test_mode_and_resync_are_the_kinds_then_the_defaults():
    defaults = Selection(mode="compressed", resync=60)
    resolved = Selection(mode="metadata").over(defaults, THING)
    assert (resolved.mode, resolved.resync) == ("metadata", 60)
    resolved = Selection(resync=0).over(defaults, THING)
    assert (resolved.mode, resolved.resync) == ("compressed", 0)
    resolved = EVERYTHING.over(EVERYTHING, THING)
    assert (resolved.mode, resolved.resync) == ("raw", RESYNC_SECONDS)


def test_what_is_read_as_metadata_is_cached_as_metadata():
    assert EVERYTHING.over(EVERYTHING, Kind("v1", "Pod", PartialObjectMetadata)).mode == "metadata"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class FrozenStruct(msgspec.Struct, frozen=True):
    pass


class Loose(BaseModel):
    pass


class LooseStruct(msgspec.Struct):
    pass


@pytest.mark.parametrize("model", [Frozen, FrozenStruct])
def test_frozen_models_may_be_shared_by_readers(model):
    assert Selection(mode="decoded").over(EVERYTHING, Kind("v1", "Pod", model)).mode == "decoded"


@pytest.mark.parametrize("model", [dict, Loose, LooseStruct])
def test_what_a_reader_can_change_is_not_shared_by_readers(model):
    with pytest.raises(KaitoError, match="ModelNotFrozen"):
        Selection(mode="decoded").over(EVERYTHING, Kind("v1", "Pod", model))


def test_a_wrong_selector_is_refused_before_the_server_is_asked():
    with pytest.raises(KaitoError, match="InvalidSelector"):
        scopes(Selection(labels="a=(b"))


@pytest.mark.parametrize(
    ("scope", "key", "labels", "expected"),
    [
        (Scope(), Key("x", "n"), {}, True),
        (Scope(labels="a=b"), Key("x", "n"), {"a": "b"}, True),
        (Scope(labels="a=b"), Key("x", "n"), {}, False),
        (Scope(labels="a=b"), Key("x", "n"), None, True),
        (Scope(fields="metadata.name=n"), Key("x", "n"), {}, True),
        (Scope(fields="metadata.name=m"), Key("x", "n"), {}, False),
        (Scope(fields="metadata.namespace!=x"), Key("x", "n"), {}, False),
        (Scope(fields="spec.nodeName=n"), Key("x", "n"), {}, False),
    ],
)
def test_an_object_is_expected_if_it_is_surely_selected(scope, key, labels, expected):
    assert scope.selects(key, labels) is expected
