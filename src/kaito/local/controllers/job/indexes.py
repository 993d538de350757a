"""Completion indexes as a Job's status writes them: `0-2,5`. Pure."""

from collections.abc import Iterable

from kaito.core import Object

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"


def parse_indexes(text: str) -> set[int]:
    """Return the indexes of `0-2,5`. ValueError for anything else."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """Return indexes as `0-2,5`; two neighbours are written `0,1`, as Kubernetes does."""
    runs: list[tuple[int, int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    words = {0: "{0}", 1: "{0},{1}"}
    return ",".join(words.get(last - first, "{0}-{1}").format(first, last) for first, last in runs)


def completion_index(pod: Object) -> int | None:
    """Return the index that a pod works on; None when it has none that can be read."""
    text = str((pod["metadata"].get("annotations") or {}).get(COMPLETION_INDEX, ""))
    return int(text) if text.isdigit() else None


def is_indexed(spec: Object) -> bool:
    """Whether each completion of the Job has an index of its own."""
    return spec.get("completionMode") == "Indexed"
