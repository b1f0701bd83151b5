"""From what a call gave to its cell."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.links import counters
from bench.links.align import lags
from bench.links.assets import ASSETS, Reference
from bench.links.call import PARTIES, TAIL_S, Plan, Taken
from bench.links.linkem.profiles import Profile
from bench.links.log import Log
from bench.links.picture import back, fidelity, picture, shown
from bench.links.result import LISTENER, SPEAKER, WAYS, Cell, Way
from bench.links.voice import LEAD_MS, lag_series, voice

MOST_CPU_LIMITED = 0.05
MOST_BUSY_PCT = 92.0
MOST_LATE = 20
LEAST_CAMERA_FPS = 20.0
"""Beyond these the machine, and not the server, made what was heard and seen."""


def cell(taken: Taken) -> Cell:
    """Analyse a call."""
    plan = taken.plan
    begin_ms, end_ms = taken.begin_ms, taken.end_ms
    found = Cell(
        server=plan.server,
        link=plan.link,
        seed=plan.seed,
        secs=plan.window_s,
        warm_s=plan.warm_s,
        at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        revision=revision(plan.tree),
        speech=taken.speech,
        nurse_link=plan.nurse_link,
        call=taken.call,
        notes=[*taken.notes],
        machine_cpu_pct=taken.machine_cpu_pct,
        one_way_ms=one_way_ms(plan),
    )
    found.join_ms = _join(taken)
    found.states = {party: _states(taken.logs[party], taken.came_ms) for party in PARTIES}
    if taken.call:
        found.held = all(_connected_at(taken.logs[party], end_ms) for party in PARTIES)
        found.rungs = {party: counters.rungs(taken.logs[party], begin_ms) for party in PARTIES}
        found.flaps = sum(counters.flaps(history, 0.0) for history in found.rungs.values())
        for way in WAYS:
            for name, value in _way(taken, way, found.notes).items():
                setattr(found.way(way), name, value)
    else:
        found.up, found.down = (Way(stoi=0.0, pesq=1.0, fps=0.0, frozen_pct=100.0) for _ in WAYS)
    found.unfit = _unfit(found, taken.emulator)
    return found


def one_way_ms(plan: Plan) -> dict[str, float]:
    """Delay of both links together, by way."""
    patient, nurse = plan.patient(), plan.nurse()
    return {"up": patient.up.delay_ms + nurse.down.delay_ms, "down": nurse.up.delay_ms + patient.down.delay_ms}


def revision(tree: Path) -> str:
    """Which sources were measured, with a `+` where files differ from the commit."""
    said = subprocess.run(
        ["git", "-C", tree, "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip()


def _way(taken: Taken, way: str, notes: list[str]) -> dict[str, Any]:
    plan, begin_ms, end_ms = taken.plan, taken.begin_ms, taken.end_ms
    sender, receiver = taken.logs[SPEAKER[way]], taken.logs[LISTENER[way]]
    found: dict[str, Any] = {"counters": counters.rtp(receiver, begin_ms, end_ms)}
    found["concealed_pct"] = found["counters"].get("concealed_pct")
    said = sender.sound("spoken", begin_ms - LEAD_MS, end_ms + 1000)
    heard = receiver.sound("heard", begin_ms - LEAD_MS, end_ms + TAIL_S * 1000)
    behind = lags(said, heard)
    spoken = Reference(SPEAKER[way])
    found |= _noting(notes, f"{way} voice", lambda: voice(spoken, said, heard, behind, plan.window_s))
    found |= _noting(notes, f"{way} picture", lambda: picture(sender, receiver, begin_ms, end_ms))
    found |= _noting(notes, f"{way} likeness", lambda: fidelity(receiver, ASSETS / "camera.y4m", begin_ms, end_ms))
    found |= counters.link(taken.links, way, begin_ms, end_ms)
    found |= counters.stills(receiver, begin_ms, end_ms)
    times = [row[0] for row in shown(receiver, begin_ms, end_ms)]
    rate = counters.kbps_series(taken.links, way, begin_ms)
    found["series"] = {
        "kbps": rate,
        "fps": counters.fps_series(times, begin_ms, -plan.warm_s, plan.window_s),
        "lag_ms": [[round(at - LEAD_MS / 1000, 1), lag] for at, lag in lag_series(behind)],
    }
    link = plan.patient()
    if link.waits:
        cut = [event for event in link.trace.events if event.cut_s]
        if cut:
            found |= back(sender, receiver, begin_ms + link.trace.ends_s * 1000, end_ms)
        found["step_down_s"] = counters.step_down_s(rate, _falls(link, plan.window_s))
    return found


def _falls(link: Profile, window_s: float) -> list[tuple[float, float]]:
    """When the link's rate falls inside the window, and to how much."""
    found, base_s, rate = [], 0.0, link.up.rate_kbps
    while base_s < window_s:
        for event in link.trace.events:
            to = event.change.get("rate_kbps", rate)
            if to < rate and base_s + event.at_s < window_s:
                found.append((base_s + event.at_s, float(to)))
            rate = to
        if link.trace.loop_s is None:
            break
        base_s += link.trace.loop_s
    return found


def _noting(notes: list[str], what: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A figure that cannot be had is noted: the others are still worth having."""
    try:
        found = make()
    except (ValueError, IndexError, ZeroDivisionError) as error:
        notes.append(f"{what}: {error!r}"[:200])
        return {}
    if not found:
        notes.append(f"{what}: nothing to measure")
    return found


def _join(taken: Taken) -> dict[str, float | None]:
    """From the patient's navigation, in ms: both connected, and first sound and picture each way."""

    def first(times: list[float]) -> float | None:
        after = [at for at in times if at > taken.came_ms]
        return round(min(after) - taken.came_ms) if after else None

    logs = taken.logs
    connected = [first(logs[party].times("connection", " connected")) for party in PARTIES]
    found = {"connected": max((at for at in connected if at is not None), default=None)}
    for way in WAYS:
        listener = logs[LISTENER[way]]
        found[f"voice_{way}"] = first([row[0] for row in listener.sync])
        found[f"picture_{way}"] = first([row[0] for row in listener.shown])
    return found


def _states(log: Log, came_ms: float) -> list[list[Any]]:
    kinds = {"connection", "error", "audio end", "video end"}
    return [[round((at - came_ms) / 1000, 1), kind, what] for at, kind, what in log.events if kind in kinds][:40]


def _connected_at(log: Log, at_ms: float) -> bool:
    """Whether some connection of a page was up then, and the page, where it says so, was of that mind."""
    last: dict[str, str] = {}
    for at, kind, what in log.events:
        if kind == "connection" and at <= at_ms:
            number, _, state = str(what).partition(" ")
            last[number] = state
    said = [row[3] for row in log.page if row[0] <= at_ms]
    return "connected" in last.values() and (not said or said[-1] in {None, "connected"})


def _unfit(found: Cell, emulator: dict[str, Any]) -> list[str]:
    reasons = []
    limited = max(found.way(way).counters.get("cpu_limited", 0.0) for way in WAYS)
    if limited > MOST_CPU_LIMITED:
        reasons.append(f"an encoder was limited by the CPU {100 * limited:.0f} % of the time")
    if (found.machine_cpu_pct or 0) > MOST_BUSY_PCT:
        reasons.append(f"the machine was {found.machine_cpu_pct:.0f} % busy")
    if emulator.get("late_over_5ms", 0) > MOST_LATE:
        reasons.append(f"the emulator was late {emulator['late_over_5ms']} times")
    if emulator.get("tun_dropped", 0):
        reasons.append(f"the kernel dropped {emulator['tun_dropped']} packets")
    for way in WAYS:
        camera = found.way(way).camera_fps
        if camera is not None and camera <= LEAST_CAMERA_FPS:
            reasons.append(f"the {SPEAKER[way]}'s camera gave {camera:g} pictures a second")
    return reasons
