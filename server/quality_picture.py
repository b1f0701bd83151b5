"""The report on a call as a picture: the rung of each direction over time, and when the call was interrupted. Pure.

Everything in it is a number of ours or a word from the table below, so nothing has to be escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from server.quality_report import Direction, VisitQuality

Language = Literal["es", "en"]

WIDTH, LEFT, RIGHT, TOP = 900, 150, 30, 70
LANE, BETWEEN, FOOT = 150, 60, 70
RUNGS = 6
MIN_SPAN_MS = 1000
COLOURS = ("#9b1c1c", "#b45309", "#a16207", "#4d7c0f", "#15803d", "#0f766e")
"""By rung, from 0; the height says the same, so nobody needs the colours."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the picture says in one language."""

    title: str
    directions: dict[str, str]
    rungs: tuple[str, ...]
    interrupted: str
    nothing: str
    facts: str
    minutes: str


WORDS: dict[Language, Words] = {
    "es": Words(
        "Calidad de la consulta",
        {"patient": "Lo que envió el paciente", "nurse": "Lo que envió enfermería"},
        ("Mensajes", "Solo voz", "Voz y fotos", "Video lento", "Video pequeño", "Video y voz"),
        "interrumpida",
        "sin datos",
        "perdido {loss} · sonido reconstruido {concealed} · imagen detenida {frozen} s",
        "minutos",
    ),
    "en": Words(
        "Quality of the visit",
        {"patient": "What the patient sent", "nurse": "What the nurse sent"},
        ("Messages", "Voice only", "Voice and photos", "Slow video", "Small video", "Video and voice"),
        "interrupted",
        "no data",
        "lost {loss} · sound made up {concealed} · picture frozen {frozen} s",
        "minutes",
    ),
}


def picture(report: VisitQuality, language: Language) -> str:
    """The picture as SVG."""
    words = WORDS[language]
    scale = _Scale.of(report)
    height = TOP + len(report.directions) * (LANE + BETWEEN) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{words.title}" font-family="sans-serif" font-size="13" fill="#1f2937">',
        f"<title>{words.title}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="20" y="34" font-size="20" font-weight="bold">{words.title}</text>',
    ]
    for index, direction in enumerate(report.directions):
        top = TOP + index * (LANE + BETWEEN)
        parts += [f'<text x="20" y="{top - 8}" font-weight="bold">{words.directions[direction.sender]}</text>']
        parts += _facts(direction, top, words)
        parts += _gaps(report, scale, top, words)
        parts += _grid(top, words)
        parts += _steps(direction, scale, top, words)
    parts += _minutes(scale, height - FOOT - BETWEEN + 46, words)
    return "".join([*parts, "</svg>"])


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a time to where it stands."""

    from_ms: int
    until_ms: int

    @classmethod
    def of(cls, report: VisitQuality) -> _Scale:
        """From the first thing drawn to the last."""
        steps = [step.at_ms for direction in report.directions for step in direction.rungs]
        gaps = [at for gap in report.interruptions for at in (gap.since_ms, gap.until_ms) if at is not None]
        begun = [*steps, *gaps, *([report.connected_at_ms] if report.connected_at_ms is not None else [])]
        ended = [*begun, *([report.ended_at_ms] if report.ended_at_ms is not None else [])]
        from_ms = min(begun, default=report.started_at_ms)
        longest_ms = max((round(link.seconds * 1000) for link in report.links), default=0)
        last_ms = max(ended, default=from_ms)
        if report.ended_at_ms is None:
            last_ms = max(last_ms, from_ms + longest_ms)
        return cls(from_ms, max(last_ms, from_ms + MIN_SPAN_MS))

    def x(self, at_ms: int) -> float:
        """Where a moment stands; what lies outside is at the edge."""
        share = (at_ms - self.from_ms) / (self.until_ms - self.from_ms)
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)


def _y(top: int, rung: int) -> float:
    return round(top + LANE - (rung + 0.5) * LANE / RUNGS, 1)


def _grid(top: int, words: Words) -> list[str]:
    right = WIDTH - RIGHT
    return [
        f'<line x1="{LEFT}" y1="{_y(top, rung)}" x2="{right}" y2="{_y(top, rung)}" stroke="#e5e7eb"/>'
        f'<text x="{LEFT - 10}" y="{_y(top, rung) + 4}" text-anchor="end">{rung} {word}</text>'
        for rung, word in enumerate(words.rungs)
    ]


def _gaps(report: VisitQuality, scale: _Scale, top: int, words: Words) -> list[str]:
    parts = []
    for gap in report.interruptions:
        left = scale.x(gap.since_ms)
        right = scale.x(gap.until_ms if gap.until_ms is not None else scale.until_ms)
        parts.append(
            f'<rect x="{left}" y="{top}" width="{max(2.0, round(right - left, 1))}" height="{LANE}" fill="#fee2e2">'
            f"<title>{words.interrupted}</title></rect>"
        )
    return parts


def _steps(direction: Direction, scale: _Scale, top: int, words: Words) -> list[str]:
    if not direction.rungs:
        middle = (LEFT + WIDTH - RIGHT) / 2
        return [f'<text x="{middle}" y="{top + LANE / 2}" text-anchor="middle" fill="#6b7280">{words.nothing}</text>']
    parts = []
    ends = [*(step.at_ms for step in direction.rungs[1:]), scale.until_ms]
    before: float | None = None
    for step, end_ms in zip(direction.rungs, ends, strict=True):
        left, right, y = scale.x(step.at_ms), scale.x(end_ms), _y(top, step.rung)
        if before is not None and before != y:
            parts.append(f'<line x1="{left}" y1="{before}" x2="{left}" y2="{y}" stroke="#9ca3af"/>')
        parts.append(
            f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="{COLOURS[step.rung]}" stroke-width="6">'
            f"<title>{step.rung} {words.rungs[step.rung]}</title></line>"
        )
        before = y
    return parts


def _facts(direction: Direction, top: int, words: Words) -> list[str]:
    known = [way.loss for way in (direction.up, direction.down) if way.loss is not None]
    text = words.facts.format(
        loss=_percent(max(known, default=None)),
        concealed=_percent(direction.concealed),
        frozen=round(direction.frozen_ms / 1000),
    )
    return [f'<text x="{LEFT}" y="{top + LANE + 18}" fill="#4b5563">{text}</text>']


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share * 100:.1f} %"


def _minutes(scale: _Scale, y: int, words: Words) -> list[str]:
    minutes = (scale.until_ms - scale.from_ms) / 60_000
    every = next((step for step in (0.25, 0.5, 1, 2, 5, 10, 15, 30, 60) if minutes / step <= 10), 120)
    marks = [index * every for index in range(int(minutes / every) + 1)]
    parts = [
        f'<text x="{scale.x(scale.from_ms + round(mark * 60_000))}" y="{y}" text-anchor="middle">{mark:g}</text>'
        for mark in marks
    ]
    return [*parts, f'<text x="{WIDTH - RIGHT}" y="{y + 18}" text-anchor="end">{words.minutes}</text>']
