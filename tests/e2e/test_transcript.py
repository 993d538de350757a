"""What counts as output in a transcript."""

from pathlib import Path

import transcript

WATCH = "k8s.io/client-go/tools/watch/informerwatcher.go:146: Failed to watch *unstructured.Unstructured"
LINES = f"""configmap "held" deleted

E1121 11:45:47.397069   26291 reflector.go:166] "Unhandled Error" err="{WATCH}: context deadline exceeded"
E1121 11:45:47.397069   26291 reflector.go:166] "Unhandled Error" err="{WATCH}: configmaps is forbidden"
error: timed out waiting for the condition on configmaps/held
"""


def test_a_watch_that_kubectl_begins_after_its_own_deadline_is_no_output_of_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(LINES)
    first, other, last, status = transcript.printed("cat lines; exit 3", {}, tmp_path)
    assert (first, last, status) == (LINES.splitlines()[0], LINES.splitlines()[-1], "[exit 3]")
    assert other.endswith('is forbidden"')
