"""A report as a table in words, for the technician who has to read it out on the phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from server.linktest.report import DirectionResult, Limit, LinkReport, Outcome, Verdict, WayResult

Language = Literal["es-MX", "en"]


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    started: str
    title: str
    rows: dict[str, str]
    outcomes: dict[Outcome, str]
    rungs: tuple[str, ...]
    limits: dict[Limit, str]
    unknown: str
    no_mtu: str
    at_least: str
    measured_over: str
    verdicts: dict[Verdict, str]
    failures: dict[str, str]


WORDS: dict[Language, Words] = {
    "es-MX": Words(
        started="Probando el enlace; tarda hasta 40 segundos…",
        title="Prueba del enlace con {server}",
        rows={
            "udp": "UDP",
            "tcp": "TCP",
            "turn": "TURN",
            "rtt": "Ida y vuelta",
            "jitter": "Variación (jitter)",
            "loss_up": "Pérdida de subida",
            "loss_down": "Pérdida de bajada",
            "rate_up": "Velocidad de subida",
            "rate_down": "Velocidad de bajada",
            "mtu": "MTU de subida",
            "rung_up": "Nivel de subida",
            "rung_down": "Nivel de bajada",
        },
        outcomes={
            "yes": "sí",
            "no": "no",
            "not_configured": "no configurado",
            "not_tried": "no se probó",
            "relay_unreached": "deja entrar, pero no llega al servidor de medios",
        },
        rungs=(
            "0, no alcanza",
            "1, solo voz",
            "2, voz y fotos",
            "3, video mínimo",
            "4, video pequeño",
            "5, completa",
        ),
        limits={
            "nothing": "nada la limita",
            "rate": "la limita la velocidad",
            "loss": "la limita la pérdida",
            "unknown": "sin medir",
        },
        unknown="sin medir",
        no_mtu="no aplica",
        at_least="o más",
        measured_over="medido por {way} en {seconds} s",
        verdicts={
            "video": "Alcanza para video y voz.",
            "voice": "Alcanza para la voz; no para video.",
            "phone": "No alcanza para una consulta. Mejor por teléfono.",
            "unknown": "No se pudo medir todo. Repita la prueba.",
            "no_way": "Ninguna vía llega al servidor de medios. Revise el cortafuegos de la red.",
        },
        failures={
            "unreachable": "no se llega a {server} por HTTPS",
            "not_puente": "{server} no responde como Puente",
            "busy": "el servidor no puede hacer otra prueba ahora; espere un minuto",
            "ended": "la prueba se cortó antes de terminar",
        },
    ),
    "en": Words(
        started="Testing the link; this takes up to 40 seconds…",
        title="Link test with {server}",
        rows={
            "udp": "UDP",
            "tcp": "TCP",
            "turn": "TURN",
            "rtt": "Round trip",
            "jitter": "Jitter",
            "loss_up": "Loss up",
            "loss_down": "Loss down",
            "rate_up": "Rate up",
            "rate_down": "Rate down",
            "mtu": "MTU up",
            "rung_up": "Rung up",
            "rung_down": "Rung down",
        },
        outcomes={
            "yes": "yes",
            "no": "no",
            "not_configured": "not configured",
            "not_tried": "not tried",
            "relay_unreached": "lets us in, but does not reach the media server",
        },
        rungs=(
            "0, not enough",
            "1, voice only",
            "2, voice and photos",
            "3, minimal video",
            "4, small video",
            "5, full",
        ),
        limits={
            "nothing": "nothing limits it",
            "rate": "limited by its rate",
            "loss": "limited by loss",
            "unknown": "not measured",
        },
        unknown="not measured",
        no_mtu="does not apply",
        at_least="or more",
        measured_over="measured over {way} in {seconds} s",
        verdicts={
            "video": "Enough for video and voice.",
            "voice": "Enough for voice; not for video.",
            "phone": "Not enough for a visit. Better by phone.",
            "unknown": "Not everything could be measured. Test again.",
            "no_way": "Nothing reaches the media server. Look at the network's firewall.",
        },
        failures={
            "unreachable": "{server} cannot be reached over HTTPS",
            "not_puente": "{server} does not answer as Puente does",
            "busy": "the server cannot do another test now; wait a minute",
            "ended": "the test was cut off before its end",
        },
    ),
}


def table(report: LinkReport, language: Language) -> str:
    """Return the report as lines, the verdict last."""
    words = WORDS[language]
    trip = report.round_trip
    cells = {
        "udp": _way(report.udp, words),
        "tcp": _way(report.tcp, words),
        "turn": _way(report.turn, words),
        "rtt": words.unknown if trip is None else f"{trip.median_ms:.0f} ms ({trip.least_ms:.0f}-{trip.most_ms:.0f})",
        "jitter": words.unknown if trip is None else f"{trip.jitter_ms:.1f} ms",
        "loss_up": _loss(report.up, words),
        "loss_down": _loss(report.down, words),
        "rate_up": _rate(report.up, words),
        "rate_down": _rate(report.down, words),
        "mtu": _mtu(report, words),
        "rung_up": _rung(report.up, words),
        "rung_down": _rung(report.down, words),
    }
    width = max(map(len, words.rows.values()))
    lines = [words.title.format(server=report.server), ""]
    lines += [f"  {words.rows[name]:<{width}}  {cell}" for name, cell in cells.items()]
    verdict = words.verdicts[report.verdict]
    if report.used is not None:
        over = words.measured_over.format(way=report.used.upper(), seconds=round(report.seconds))
        verdict = f"{verdict} ({over})"
    return "\n".join((*lines, "", verdict))


def failure(code: str, server: str, language: Language) -> str:
    """Return one line on why there was no test."""
    return WORDS[language].failures[code].format(server=server)


def _way(result: WayResult, words: Words) -> str:
    notes = [f"{result.rtt_ms:.0f} ms"] if result.rtt_ms is not None else []
    notes += [result.detail] if result.detail else []
    outcome = words.outcomes[result.outcome]
    return f"{outcome} ({', '.join(notes)})" if notes else outcome


def _loss(way: DirectionResult, words: Words) -> str:
    return words.unknown if way.loss is None else f"{100 * way.loss:.1f} %"


def _rate(way: DirectionResult, words: Words) -> str:
    if way.rate_bps is None:
        return words.unknown
    shown = f"{way.rate_bps / 1e6:.1f} Mbit/s" if way.rate_bps >= 1_000_000 else f"{way.rate_bps / 1e3:.0f} kbit/s"
    return f"{shown} {words.at_least}" if way.at_least else shown


def _mtu(report: LinkReport, words: Words) -> str:
    if report.mtu_bytes is not None:
        return f"{report.mtu_bytes} bytes"
    return words.unknown if report.used in {None, "udp"} else words.no_mtu


def _rung(way: DirectionResult, words: Words) -> str:
    if way.rung is None:
        return words.unknown
    return f"{words.rungs[way.rung]} ({words.limits[way.limited_by]})"
