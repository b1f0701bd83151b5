"""Settings, profiles and traces of links."""

from __future__ import annotations

import pytest

from bench.links.goals import LINKS
from bench.links.linkem.profiles import PROFILES, profile
from bench.links.linkem.settings import Settings, parse
from bench.links.linkem.trace import Event, Trace
from bench.links.servers import CAPS_KBPS


def test_a_profile_is_changed_by_direction() -> None:
    """What is set for both directions holds for both, what is set for one only there, and the profile stays."""
    link = profile("edge-2g").changed(parse(["down.rate_kbps=64", "loss_pct=9", "up.burst=2,20"]))
    assert (link.down.rate_kbps, link.up.rate_kbps) == (64, 60)
    assert link.down.loss_pct == link.up.loss_pct == 9
    assert link.up.burst == (2, 20)
    assert link.down.burst is None
    assert profile("edge-2g").down.rate_kbps == 100


@pytest.mark.parametrize("item", ["rate=5", "loss_pct", "side.loss_pct=5", "loss_pct=much", "up.down.loss_pct=5"])
def test_what_is_no_setting_is_refused(item: str) -> None:
    """A name, a direction or a value that means nothing is an error and not ignored."""
    with pytest.raises(ValueError, match=r"."):
        parse([item])


@pytest.mark.parametrize(
    "change",
    [{"loss_pct": -1}, {"burst": (1,)}, {"fade": (1, -2)}, {"delay_ms": None}, {"rate_kbps": True}, {"colour": 1}],
)
def test_values_outside_are_refused(change: dict[str, object]) -> None:
    """Negative, missing and unknown settings are errors."""
    with pytest.raises((ValueError, TypeError)):
        Settings().changed(change)


def test_an_unknown_profile_names_those_that_are_known() -> None:
    """The message helps."""
    with pytest.raises(ValueError, match="edge-2g"):
        profile("dial-up")


def test_every_measured_link_has_a_profile_and_a_cap() -> None:
    """No cell of the table fails for want of data."""
    assert set(LINKS) <= set(PROFILES)
    assert set(LINKS) <= set(CAPS_KBPS)


def test_a_trace_goes_through_json() -> None:
    """What the emulator's process is told is what was meant."""
    trace = Trace((Event(1, ("up",), {"rate_kbps": 64}), Event(5, cut_s=2, hold=True)), loop_s=9)
    assert Trace.from_json(trace.to_json()) == trace
    assert profile("outage-10s").trace.ends_s == 20


@pytest.mark.parametrize("events", [[Event(5), Event(1)], [Event(12)]])
def test_a_trace_out_of_order_is_refused(events: list[Event]) -> None:
    """Events before their predecessors, or after the loop's end, never happen: they are errors."""
    with pytest.raises(ValueError, match="order"):
        Trace(tuple(events), loop_s=10)
