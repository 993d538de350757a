"""Who an object belongs to."""

import copy

import pytest

from kaito.core import (
    AlreadyOwnedError,
    KaitoError,
    has_owner_reference,
    remove_owner_reference,
    set_controller_reference,
    set_owner_reference,
)


def thing(name="owner", uid="u1", namespace="ns", api_version="example.org/v1", kind="Thing"):
    metadata = {"name": name, "uid": uid, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def owned(*references, namespace="ns"):
    child = thing("child", "u9", namespace, "v1", "ConfigMap")
    if references:
        child["metadata"]["ownerReferences"] = list(references)
    return child


def reference(name="owner", uid="u1", api_version="example.org/v1", kind="Thing", controller=True, block=True):
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": controller,
        "blockOwnerDeletion": block,
    }


OTHER = reference("other", "u2")

CONTROLLED = {
    "an object without owners gets its controller": (owned(), [reference()]),
    "the same controller is not named twice": (owned(reference()), [reference()]),
    "an owner becomes the controller": (owned(reference(controller=False, block=False)), [reference()]),
    "another version of the controller is the same one": (
        owned(reference(api_version="example.org/v1alpha1")),
        [reference()],
    ),
    "a controller that was made again has a new uid": (owned(reference(uid="old")), [reference()]),
    "other owners stay where they are": (
        owned({**OTHER, "controller": False}),
        [{**OTHER, "controller": False}, reference()],
    ),
    "a kind of the same name in another group is another owner": (
        owned(reference(api_version="other.org/v1", controller=False)),
        [reference(api_version="other.org/v1", controller=False), reference()],
    ),
}


@pytest.mark.parametrize(("child", "references"), CONTROLLED.values(), ids=CONTROLLED)
def test_the_controller_of_an_object_is_set(child, references):
    child = copy.deepcopy(child)
    set_controller_reference(thing(), child)
    assert child["metadata"]["ownerReferences"] == references


@pytest.mark.parametrize(
    "controller", [OTHER, reference(api_version="other.org/v1"), reference(kind="Other"), reference(name="x")]
)
def test_another_controller_is_a_typed_error_that_names_it_and_changes_nothing(controller):
    child = owned(controller)
    before = copy.deepcopy(child)
    with pytest.raises(AlreadyOwnedError) as caught:
        set_controller_reference(thing(), child)
    assert caught.value.owner == controller
    assert controller["name"] in caught.value.message
    assert child == before


@pytest.mark.parametrize("set_reference", [set_controller_reference, set_owner_reference])
@pytest.mark.parametrize(
    ("owner_namespace", "child_namespace", "allowed"),
    [("ns", "ns", True), ("", "ns", True), ("", "", True), ("ns", "other", False), ("ns", "", False)],
)
def test_an_owner_is_cluster_scoped_or_in_the_same_namespace(set_reference, owner_namespace, child_namespace, allowed):
    owner, child = thing(namespace=owner_namespace), owned(namespace=child_namespace)
    if allowed:
        set_reference(owner, child)
        assert has_owner_reference(owner, child)
        return
    with pytest.raises(KaitoError) as caught:
        set_reference(owner, child)
    assert caught.value.reason == "OwnerInvalid"
    assert not has_owner_reference(owner, child)


@pytest.mark.parametrize("block", [True, False])
@pytest.mark.parametrize("set_reference", [set_controller_reference, set_owner_reference])
def test_whether_an_owner_waits_for_what_it_owns_is_a_choice(set_reference, block):
    child = owned()
    set_reference(thing(), child, block_owner_deletion=block)
    assert child["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] is block


def test_an_object_can_have_many_owners_and_keeps_its_controller():
    child = owned(OTHER)
    set_owner_reference(thing(), child)
    set_owner_reference(thing(uid="u3"), child)
    assert child["metadata"]["ownerReferences"] == [OTHER, reference(uid="u3", controller=False, block=False)]


def test_only_the_named_owner_is_removed():
    child = owned(OTHER, reference(uid="of an older one", api_version="example.org/v1alpha1"))
    remove_owner_reference(thing(), child)
    assert child["metadata"]["ownerReferences"] == [OTHER]


def test_removing_an_owner_that_is_none_is_an_error():
    child = owned(OTHER)
    with pytest.raises(KaitoError, match="does not belong to Thing ns/owner"):
        remove_owner_reference(thing(), child)
    assert child["metadata"]["ownerReferences"] == [OTHER]


@pytest.mark.parametrize(
    ("references", "owns"),
    [
        ([], False),
        ([reference()], True),
        ([reference(controller=False)], True),
        ([reference(api_version="example.org/v2")], True),
        ([reference(api_version="other.org/v1")], False),
        ([reference(kind="Other")], False),
        ([OTHER], False),
        ([OTHER, reference()], True),
    ],
)
def test_an_owner_is_known_by_group_kind_and_name(references, owns):
    assert has_owner_reference(thing(), owned(*references)) is owns
