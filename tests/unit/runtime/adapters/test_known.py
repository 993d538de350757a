"""Which content came from which source, kept over restarts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kaito.runtime.adapters.known import KnownContent
from kaito.runtime.adapters.wanted import Wanted

IMAGES = [Wanted(f"a{number}", "set", {"image": f"registry.example/a:{number}"}) for number in range(80)]


def test_what_several_threads_note_at_the_same_time_is_all_known_to_the_next_process(tmp_path: Path) -> None:
    known = KnownContent(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda image: known.note(image, f"sha256:{image.name}"), IMAGES))
    assert [KnownContent(tmp_path).digest(image) for image in IMAGES] == [f"sha256:{image.name}" for image in IMAGES]
