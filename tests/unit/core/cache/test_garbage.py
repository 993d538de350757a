"""The garbage collector leaves a filled cache alone."""

import gc

import pytest

from kaito.core.cache import garbage
from kaito.core.cache.entry import read_entry
from kaito.core.cache.store import Store
from kaito.core.kinds import POD


@pytest.fixture
def collector():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("collector")
def test_what_is_there_is_set_aside_and_full_collections_become_rare(pods):
    store = Store(POD)
    for pod in pods(100):
        store.put(read_entry(POD, pod))
    garbage.set_aside()
    assert len(gc.get_objects()) < 100
    assert gc.get_threshold() == (50_000, 20, 100)
    assert len(store) == 100
