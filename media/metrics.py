"""A worker's state in Prometheus' text format."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from media.control import WorkerStats


class _Snapshot(Collector):
    def __init__(self, stats: WorkerStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats
        yield GaugeMetricFamily("puente_relay_legs", "Legs that stand.", stats.legs)
        yield GaugeMetricFamily("puente_relay_rooms", "Rooms with at least one leg.", stats.rooms)
        yield GaugeMetricFamily("puente_relay_draining", "1 while new legs are refused.", int(stats.draining))
        yield GaugeMetricFamily("puente_relay_resident_bytes", "Resident memory.", stats.rss_bytes)
        yield CounterMetricFamily("puente_relay_cpu_seconds", "CPU time used.", stats.cpu_s)
        yield CounterMetricFamily("puente_relay_datagrams_in", "Datagrams received.", stats.packets_in)
        yield CounterMetricFamily("puente_relay_datagrams_out", "Datagrams of legs sent.", stats.packets_out)
        dropped = CounterMetricFamily("puente_relay_dropped", "Datagrams of no use, by reason.", labels=["reason"])
        for reason, number in sorted(stats.dropped.items()):
            dropped.add_metric([reason], number)
        yield dropped


def exposition(stats: WorkerStats) -> str:
    """Return the text that a scrape is answered with."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(stats))
    return generate_latest(registry).decode()


def resident_bytes() -> int:
    """Return this process' resident memory; 0 where the kernel does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return 0
