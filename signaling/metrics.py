"""What live signalling counts. No label ever holds what a client chose."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CONNECTS = Counter("puente_live_connects_total", "Connects by their result", ["namespace", "result"])
SESSIONS = Gauge("puente_live_sessions", "People connected to this process", ["namespace"])
EVENTS = Counter("puente_live_events_total", "Events of clients by their result", ["event", "result"])
EVENT_SECONDS = Histogram(
    "puente_live_event_seconds",
    "Time from an event of a client to its acknowledgement",
    ["event"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
SENT = Counter("puente_live_sent_total", "Events sent to clients", ["event"])
DROPPED = Counter("puente_live_dropped_total", "Sockets and messages dropped, by reason", ["reason"])
RELAY = Counter("puente_live_relay_total", "Requests to the relay by their result", ["request", "result"])
RELAY_EVENTS = Counter("puente_live_relay_events_total", "Events of the relay that concern this process", ["kind"])
LOOP_FAILURES = Counter("puente_live_loop_failures_total", "Turns of background loops that failed", ["loop"])
JOURNAL = Counter("puente_live_journal_total", "Transitions handed to the journal by their result", ["result"])
TICKS = Counter("puente_live_due_total", "Deadlines and lost people that this process carried out")
REPORTS = Counter("puente_live_reports_total", "Reports of legs handed to the journal by their result", ["result"])
