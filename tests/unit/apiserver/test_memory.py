import pytest

from kaito.apiserver import memory, openapi
from kaito.apiserver.openapi import OpenApi
from kaito.apiserver.registry import Registry


def test_giving_back_works_on_this_machine():
    memory.give_back()


def test_documents_are_built_once_and_the_memory_of_building_them_is_given_back(monkeypatch: pytest.MonkeyPatch):
    given_back = []
    monkeypatch.setattr(openapi, "give_back", lambda: given_back.append("yes"))
    documents = OpenApi(Registry())
    first = documents.index()
    assert documents.index() == first
    assert given_back == ["yes"]
