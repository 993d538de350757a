"""Python's garbage collector beside a large cache.

It looks for cycles in all objects that may be part of one. What the cache keeps per object cannot be (`entry.py`,
`partition.py`), so that a full collection takes as long with 100,000 Pods as with none: what is left is the program
itself, some 50,000 objects and 20 ms. With Pods of 10 KB kept as dictionaries it was 400 ms for 10,000, and to build
such a cache took five times as long with the default thresholds as without a collector.
"""

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 100)
"""Objects made before a young collection, young ones before a middle one, middle ones before a full one."""


def set_aside() -> None:
    """Take all that is there out of the collector's sight, and let it run seldom.

    It is for a process to do, before it begins (so that the program is not looked through while leases are to be
    renewed) and when its caches are filled. What is set aside is freed by its count of references as ever, but a cycle
    in it never.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
