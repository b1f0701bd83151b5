"""The words in which a link is spoken of."""

from __future__ import annotations

import pytest

from media.control import LinkMeasure
from signaling.link import link_test_of


@pytest.mark.parametrize(
    ("up", "down", "final", "verdict"),
    [
        (None, None, False, "measuring"),
        (5, None, False, "measuring"),
        (5, 3, False, "video"),
        (5, 2, False, "voice"),
        (1, 5, False, "voice"),
        (0, 5, False, "phone"),
        (None, 4, True, "video"),
        (0, None, True, "phone"),
        (None, None, True, "measuring"),
    ],
)
def test_the_worse_direction_decides(up: int | None, down: int | None, final: bool, verdict: str) -> None:
    """Video from rung 3 both ways, voice from 1; what is not known yet is waited for until nothing more comes."""
    assert link_test_of(LinkMeasure(rung_up=up, rung_down=down, final=final)).verdict == verdict


def test_the_worse_loss_is_told() -> None:
    """One number for both directions: the worse."""
    assert link_test_of(LinkMeasure(loss_up=0.01, loss_down=0.2)).loss == 0.2
    assert link_test_of(LinkMeasure(loss_down=0.2)).loss == 0.2
    assert link_test_of(LinkMeasure()).loss is None
