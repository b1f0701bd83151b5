"""What was sent and is not told of yet: the first sign that a link has become thinner."""

from __future__ import annotations

import pytest

from media.sentlog import SentLog
from media.twcc import Report


def test_what_is_outstanding_is_as_old_as_its_first_packet() -> None:
    """Nothing before a first report; then the age of the first packet that none tells of, whatever else is told."""
    log = SentLog()
    for number in range(10):
        log.sent(number, number * 0.1, 100)
    assert log.outstanding_s(1.0) == 0.0
    log.match(Report(base=0, feedback_count=0, arrivals=[(number, 5.0) for number in range(5)]))
    assert log.outstanding_s(1.2) == pytest.approx(0.7)
    log.match(Report(base=5, feedback_count=1, arrivals=[(number, 5.0) for number in range(5, 10)]))
    assert log.outstanding_s(9.0) == 0.0
    log.sent(10, 9.0, 100)
    assert log.outstanding_s(9.5) == pytest.approx(0.5)
