"""Which durations go together."""

import pytest

from kaito.core import KaitoError
from kaito.core.election import Timing


def test_the_defaults_are_those_of_client_go():
    timing = Timing()
    assert (timing.lease, timing.renew_deadline, timing.retry, timing.request, timing.silence) == (15, 10, 2, 5, 5)


@pytest.mark.parametrize(
    ("lease", "renew", "retry"), [(10, 10, 2), (15, 15, 2), (15, 2.4, 2), (15, 2, 2), (15, 10, 0.5), (0, 0, 0)]
)
def test_durations_that_cannot_work_are_refused(lease, renew, retry):
    with pytest.raises(KaitoError, match="TimingInvalid"):
        Timing(lease, renew, retry)
