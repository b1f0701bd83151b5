"""`docs/links.md`: what was measured, with a plot for each link."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench.links import goals, table
from bench.links.linkem.profiles import profile
from bench.links.plot import svg
from bench.links.result import Cell, Way
from bench.machine import TREE

DOCUMENT = TREE / "docs" / "links.md"
PLOTS = TREE / "docs" / "links"
HEAD = """# Calls on bad links

Written by `make bench-links`; do not edit. Two Chromium browsers, each behind its own emulated link, hold a visit with
real speech and a moving picture: the patient on the link that is named, the nurse on good-4g. *Up*: the patient
speaks and the nurse hears and sees; *down*: the other way. `puente` is the whole product, used through its pages as
people use it. `janus` is Debian's Janus with its videocall plugin and the browser's defaults; `janus-capped` is its
videoroom, holding each side to a bit rate chosen for the link (`CAPS_KBPS` in `bench/links/servers.py`).

## How it is measured

* The window begins {warm:g} s after both pages say that the call is up, and lasts 25 s (45 and 95 s with
  the cuts of 10 and 60 s, 60 s with the changing link). A run is not valid where an encoder was limited by the CPU for
  5 % of the time, the machine was busy for 92 % of it, a camera gave 20 pictures a second or fewer, or the emulator was
  late: it is made again.
  Both cores are kept awake by processes of the lowest priority: the host of a virtual machine gives a core that slept
  back up to 20 ms late, which every packet would meet.
* STOI and PESQ (wideband) are of what was heard against the recording that the speaker's browser was given, so they
  include both browsers' voice processing while both people talk all the time: about 0.99 and 4.0 are the most.
  Speech is {speech}.
* *lag* is mouth to ear. *silence* is the longest run of missing speech. *concealed* is the share of samples that the
  browser made up. *fps* counts displayed pictures; *frozen* is the share of the time inside gaps over 500 ms without a
  new one. *latency* is from the camera to the display, by a counter in the picture. *rungs* is what the listener's page
  showed: at the window's beginning, then each change with its second. *kbit/s* and *dropped* are of the patient's
  link: IP bytes sent into it, and packets that found its queue full.
* Rows are medians of the seeds that are named. Runs differ by about 0.01 in STOI and 0.1 in PESQ.

## To be read with care

* One voice each, one picture, one browser, links that are modelled: rate, delay, jitter, loss, a queue; no radio.
* Janus' pages here are a few kilobytes, without the screens of a product. The caps are by arithmetic, not by search:
  another cap may suit a link better.
* STOI of rows whose lag moves (a queue that fills) is a lower bound: stretching alone, without any loss, costs up to
  0.1. PESQ aligns by itself.
* Recovery of the voice is the first packet of it that is played; it says nothing of how well.

## What limits what is not met

* **Pictures a second on good-4g**: both browsers, their cameras and the emulator share two cores, on which the cameras
  gave 22 to 24 of their 25.
* **Frozen pictures on sat-256k, up**: 0.5 % of some 25 packets a second are lost, and each stops the picture for a
  round trip of 0.7 s and one more picture. Chromium offers no FEC for these codecs; the way down,
  where the relay sends each packet twice, freezes for 0 to 1 %.
* **PESQ of thin uplinks** (3g-rural, geo-satellite, sat-256k up): 16 kbit/s of wideband in packets of 60 ms; a change
  of the voice inside the window costs 0.2, and at 1 % loss each packet that is lost is a syllable until the loss is
  known well enough for redundancy, which takes about 15 s.
* **Stills on edge-2g and 64k-5loss**: they go over TCP, which notices the loss of a lone packet after a second or more.
* **30-loss**: the estimate of an uplink that loses a third grows slowly, and in one run of three stayed at 112 kbit/s.
* **The step down of changing, up**: the picture stops within a second, then some 45 of its packets that were asked for
  again leave Chromium's own queue, at 200 kbit/s until 4.5 s after the fall. Why they are still asked for is not found.
* **The cut of 60 s**: the page tries again every few seconds, and the picture waits for its first keyframe.

"""


def write(cells: Mapping[tuple[str, str], Sequence[Cell]], links: Sequence[str], servers: Sequence[str]) -> None:
    """Write the document and its plots from cells by link and server."""
    known = [cell for some in cells.values() for cell in some]
    if not known:
        raise ValueError("nothing is measured yet: run the table first")
    PLOTS.mkdir(parents=True, exist_ok=True)
    speech = ", ".join(sorted({cell.speech for cell in known if cell.speech}))
    parts = [HEAD.format(speech=speech or "unknown", warm=max(cell.warm_s for cell in known)), _machine(known)]
    for link in links:
        here = {server: goals.fit(cells[link, server]) for server in servers if (link, server) in cells}
        if here:
            (PLOTS / f"{link}.svg").write_text(svg(link, {server: some[0] for server, some in here.items()}))
            parts.append(_section(link, here))
    DOCUMENT.write_text("\n".join(parts))


def _machine(known: Sequence[Cell]) -> str:
    chromium = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    revisions = ", ".join(sorted({cell.revision for cell in known if cell.server == goals.OURS and cell.revision}))
    days = sorted({cell.at[:10] for cell in known})
    dates = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"\nMeasured {dates} on {cores} cores, Linux {platform.release()}, {chromium or 'Chromium'}; "
        f"Puente at {revisions or 'no revision'}.\n\n## Results\n"
    )


def _section(link: str, here: Mapping[str, Sequence[Cell]]) -> str:
    described = profile(link)
    lines = [table.header(), *(row for some in here.values() for row in table.rows(middle(some)))]
    beside = {server: some for server, some in here.items() if server != goals.OURS}
    verdicts = goals.judge(link, here.get(goals.OURS, []), beside)
    missed = [verdict for verdict in verdicts if not verdict.met]
    said = [
        f"### {link}\n",
        f"{described.down.rate_kbps:g}/{described.up.rate_kbps:g} kbit/s down/up, "
        f"{described.down.delay_ms:g} ms each way, {described.down.loss_pct:g} % loss, "
        f"queue of {described.down.queue_ms:g} ms.\n",
        table.markdown([line[1:] for line in lines]),
        "",
        f"![{link} over time](links/{link}.svg)\n",
        "; ".join(f"{server}: seed {', '.join(str(cell.seed) for cell in some)}" for server, some in here.items())
        + ".\n",
    ]
    if verdicts:
        said.append(f"Goals: {len(verdicts) - len(missed)} of {len(verdicts)} met.\n")
        said += [f"* **not met** {verdict.way}: {_figure(verdict)}" for verdict in missed]
        said += [""] * bool(missed)
    invalid = [cell for some in here.values() for cell in some if not cell.valid]
    said += [f"* {cell.server}, seed {cell.seed}, is **not valid**: {'; '.join(cell.unfit)}" for cell in invalid]
    said += [""] * bool(invalid)
    return "\n".join(said)


def _seeds(cells: Sequence[Cell]) -> str:
    return ", ".join(str(cell.seed) for cell in cells)


def _figure(verdict: goals.Verdict) -> str:
    return f"{verdict.asked}; measured {'-' if verdict.measured is None else f'{verdict.measured:g}'}"


def middle(cells: Sequence[Cell]) -> Cell:
    """A cell with the medians of several; what is no number is the first's."""
    first = cells[0]
    return replace(first, up=_middle_way(cells, "up"), down=_middle_way(cells, "down"))


def _middle_way(cells: Sequence[Cell], way: str) -> Way:
    values: dict[str, Any] = {}
    for each in fields(Way):
        own = getattr(cells[0].way(way), each.name)
        if not isinstance(own, dict):
            median = goals.median(cells, way, each.name)
            values[each.name] = int(median) if isinstance(own, int) and median is not None else median
    return replace(cells[0].way(way), **values)
