"""The document and its plots."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.links import report
from bench.links.goals import LINKS
from bench.links.plot import svg
from bench.links.result import WAYS, Cell
from tests.bench.links.test_goals import cell


def measured(link: str, server: str = "puente", seed: int = 1, stoi: float = 0.99) -> Cell:
    """A cell with something to plot."""
    made = cell(link, server, seed, stoi=stoi)
    made.speech = "espeak-ng"
    for way in WAYS:
        made.way(way).series = {
            "kbps": [[at / 2, 100.0 + at] for at in range(-20, 50)],
            "fps": [[float(at), 12.0] for at in range(-10, 25)],
            "lag_ms": [[float(at), 300.0] for at in range(-10, 25)],
        }
    if server == "puente":
        made.rungs = {"nurse": [[-12.0, 3], [4.0, 1]], "patient": [[1.0, 4]]}
    return made


@pytest.mark.parametrize("link", LINKS)
def test_a_plot_is_small_and_well_formed(link: str) -> None:
    """For every link, with a line for each server in each panel, all inside the picture."""
    text = svg(link, {server: measured(link, server) for server in ("puente", "janus")})
    root = ET.fromstring(text)  # our own text
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2 * (2 * 3 + 1 + 1)
    assert len(text) < 30_000
    _, _, wide, high = map(float, root.attrib["viewBox"].split())
    for line in lines:
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= wide
            assert 0 <= y <= high


def test_the_document_says_what_was_met_and_what_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Medians of the valid seeds, the goals that are missed, and the plot beside it."""
    monkeypatch.setattr(report, "DOCUMENT", tmp_path / "links.md")
    monkeypatch.setattr(report, "PLOTS", tmp_path / "links")
    busy = measured("edge-2g", seed=4, stoi=0.1)
    busy.unfit = ["the machine was 99 % busy"]
    ours = [measured("edge-2g", seed=seed, stoi=stoi) for seed, stoi in ((1, 0.80), (2, 0.85), (3, 0.99))]
    cells = {("edge-2g", "puente"): [*ours, busy], ("edge-2g", "janus"): [measured("edge-2g", "janus", stoi=0.6)]}
    report.write(cells, ["good-4g", "edge-2g"], ["puente", "janus"])
    text = (tmp_path / "links.md").read_text()
    assert "| puente | up | 0.850 |" in text
    assert "**not met** up: stoi ≥ 0.9; measured 0.85" in text
    assert "seed 1, 2, 3" in text
    assert "### good-4g" not in text
    assert (tmp_path / "links" / "edge-2g.svg").exists()


def test_without_measurements_there_is_no_document() -> None:
    """It says what to do instead."""
    with pytest.raises(ValueError, match="table first"):
        report.write({}, ["edge-2g"], ["puente"])
