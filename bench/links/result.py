"""What one call gave, as it is kept in JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

WAYS = ("up", "down")
"""Up: the patient speaks, and the nurse hears and sees. Down: the other way."""
SPEAKER = {"up": "patient", "down": "nurse"}
LISTENER = {"up": "nurse", "down": "patient"}


@dataclass
class Way:
    """One direction. None: could not be measured, or did not happen."""

    stoi: float | None = None
    """Short-time objective intelligibility, 0 to 1, heard against the original file."""
    estoi: float | None = None
    stoi_net: float | None = None
    """Against what the browser captured after its own voice processing: server and link alone."""
    pesq: float | None = None
    """MOS-LQO, wideband (ITU-T P.862.2), 1 to 4.6."""
    pesq_net: float | None = None
    clear_pct: float | None = None
    """Share of pieces of 2 s with STOI of 0.7 or more."""
    phrases: int = 0
    recognised_pct: float | None = None
    """Share of speech that the aligner found again in what was heard."""
    lag_ms: float | None = None
    """Mouth to ear, the median."""
    lag_p95_ms: float | None = None
    longest_gap_ms: float | None = None
    """Speech frames missing in a row."""
    concealed_pct: float | None = None
    fps: float | None = None
    frozen_pct: float | None = None
    """Share of the time inside gaps over 500 ms without a new picture."""
    longest_freeze_ms: float | None = None
    width_px: int | None = None
    height_px: int | None = None
    """Of the last picture shown."""
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    """Camera to display."""
    psnr_db: float | None = None
    ssim: float | None = None
    camera_fps: float | None = None
    stills: int = 0
    still_gap_s: float | None = None
    """Longest time between two different stills, the window's ends counted in. None without stills."""
    voice_back_ms: float | None = None
    picture_back_ms: float | None = None
    latency_back_p95_ms: float | None = None
    """After a cut: until the voice and a moving picture are back, and how old the pictures are from then on."""
    step_down_s: float | None = None
    """After the link fell: until what is sent into it fits again; the slowest of the window."""
    sent_kbps: float | None = None
    """Into the patient's link, IP bytes, all that goes this way."""
    queue_dropped: int = 0
    link_lost: int = 0
    counters: dict[str, Any] = field(default_factory=dict)
    """From getStats: codecs, sizes, limits."""
    series: dict[str, list[Any]] = field(default_factory=dict)
    """`[seconds from the window's beginning, value]` of kbps, fps and lag_ms."""


@dataclass
class Cell:
    """One call of one server over one link."""

    server: str
    link: str
    seed: int
    secs: float
    warm_s: float
    at: str = ""
    revision: str = ""
    speech: str = ""
    nurse_link: str = "good-4g"
    call: bool = False
    """Whether both pages said that the call was up."""
    held: bool = False
    """Whether it still was at the end of the window."""
    unfit: list[str] = field(default_factory=list)
    """Why the run says nothing of the server (a busy machine). Empty: valid."""
    notes: list[str] = field(default_factory=list)
    join_ms: dict[str, float | None] = field(default_factory=dict)
    """From the patient's navigation to connected, first sounds and first pictures."""
    machine_cpu_pct: float | None = None
    one_way_ms: dict[str, float] = field(default_factory=dict)
    """Delay of the patient's and the nurse's link together, by way."""
    rungs: dict[str, list[list[Any]]] = field(default_factory=dict)
    """By page: `[seconds from the window's beginning, rung]` at each change."""
    flaps: int = 0
    """Rises of a rung that were taken back within 10 s, both pages."""
    states: dict[str, list[list[Any]]] = field(default_factory=dict)
    up: Way = field(default_factory=Way)
    down: Way = field(default_factory=Way)

    @property
    def valid(self) -> bool:
        """Whether the machine let the browsers do their work."""
        return not self.unfit

    def way(self, name: str) -> Way:
        """One direction by name."""
        return self.up if name == "up" else self.down

    def write(self, path: Path) -> None:
        """Keep it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Cell:
        """What `write` kept, also by an earlier revision with fewer or other fields."""
        found = json.loads(path.read_text())
        for name in WAYS:
            found[name] = Way(**_known(Way, found[name]))
        return cls(**_known(cls, found))


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
