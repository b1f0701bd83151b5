"""A benchmark that can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.links import goals, table
from bench.links.goals import GOALS, LINKS, judge
from bench.links.result import WAYS, Cell, Way

GOOD: dict[str, Any] = {
    "stoi": 0.99, "pesq": 4.0, "concealed_pct": 0.0, "longest_gap_ms": 0.0, "lag_ms": 200.0, "fps": 25.0,
    "frozen_pct": 0.0, "width_px": 640, "height_px": 480, "voice_back_ms": 100, "picture_back_ms": 300,
    "latency_back_p95_ms": 400, "step_down_s": 1.0,
}  # fmt: skip


def cell(link: str = "edge-2g", server: str = "puente", seed: int = 1, **both: Any) -> Cell:
    made = Cell(server, link, seed, secs=25, warm_s=10, call=True, held=True, one_way_ms={"up": 210, "down": 210})
    made.up, made.down = (Way(**GOOD | both) for _ in WAYS)
    return made


def missed(link: str, cells: list[Cell], beside: dict[str, list[Cell]] | None = None) -> set[str]:
    return {verdict.asked for verdict in judge(link, cells, beside or {}) if not verdict.met}


@pytest.mark.parametrize("link", LINKS)
def test_a_perfect_call_meets_every_goal(link: str) -> None:
    """And every measured link has goals of its own, or says that it has none."""
    assert link in GOALS
    assert missed(link, [cell(link)]) == set()


def test_a_goal_that_is_missed_is_said() -> None:
    """With its limit; the voice's lag counts from the link's own delay."""
    assert missed("edge-2g", [cell(stoi=0.89)]) == {"stoi ≥ 0.9"}
    assert missed("edge-2g", [cell(lag_ms=811)]) == {"lag_ms ≤ 810"}
    assert missed("sat-256k", [cell("sat-256k", lag_ms=461)]) == {"lag_ms ≤ 460"}


def test_what_was_not_measured_is_not_met() -> None:
    """A figure that is missing is no reason to be content, nor is a call that ended early."""
    assert missed("edge-2g", [cell(pesq=None)]) == {"pesq ≥ 2.4"}
    dropped = cell()
    dropped.held = False
    assert missed("edge-2g", [dropped]) == {"the call holds"}


def test_stills_do_where_they_may_stand_for_a_picture() -> None:
    """On the thinnest links, and only if they come often enough."""
    assert missed("edge-2g", [cell(fps=0.0, still_gap_s=9.0)]) == set()
    assert missed("edge-2g", [cell(fps=0.0, still_gap_s=11.0)]) == {"fps ≥ 5 or still_gap_s ≤ 10"}


def test_the_median_of_the_seeds_counts() -> None:
    """One bad run of three does not decide."""
    runs = [cell(seed=seed, stoi=stoi) for seed, stoi in ((1, 0.95), (2, 0.4), (3, 0.93))]
    assert missed("edge-2g", runs) == set()
    assert goals.median(runs, "up", "stoi") == 0.93
    assert goals.median([cell(stoi=None), cell(stoi=None), cell()], "up", "stoi") is None


def test_the_better_of_the_other_columns_is_the_measure() -> None:
    """In voice; and a picture that another shows may not be lost."""
    beside = {"janus": [cell(server="janus", stoi=0.5)], "janus-capped": [cell(server="janus-capped", stoi=0.97)]}
    assert missed("edge-2g", [cell(stoi=0.94)], beside) == {"stoi as good as janus-capped's 0.97"}
    assert "shows a picture as janus does" in missed("edge-2g", [cell(fps=0.0, still_gap_s=5.0)], beside)


def test_flapping_is_missed_in_the_changing_trace() -> None:
    """And nowhere else asked for."""
    restless = cell("changing")
    restless.flaps = 2
    assert missed("changing", [restless]) == {"flaps ≤ 0"}


def test_nothing_measured_is_nothing_judged() -> None:
    """The caller says that it is missing."""
    assert judge("edge-2g", [], {}) == []


def test_a_cell_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Also by a revision that knows other fields."""
    path = tmp_path / "cell.json"
    made = cell()
    made.rungs = {"nurse": [[-3.0, 3], [4.0, 1]]}
    made.write(path)
    assert Cell.read(path) == made
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 1, "mood": "fine"', 1))
    assert Cell.read(path) == made


def test_the_table_has_a_row_for_each_direction() -> None:
    """With what the listener's page showed of the rungs, and dashes for what there is not."""
    made = cell(fps=None)
    made.rungs = {"nurse": [[-3.0, 3], [4.2, 1]]}
    lines = [table.header(), *table.rows(made)]
    assert [line[2] for line in lines] == ["way", "up", "down"]
    assert lines[1][table.header().index("rungs")] == "3 1@4"
    assert lines[2][table.header().index("rungs")] == "-"
    assert lines[1][table.header().index("fps")] == "-"
    assert len(table.text(lines).splitlines()) == 3
    assert table.markdown(lines).splitlines()[1].count("---") == len(table.header())


def test_the_table_says_why_a_run_does_not_count() -> None:
    """A busy machine, a call that never was."""
    busy = cell()
    busy.unfit = ["the machine was 99 % busy"]
    assert "NOT VALID: the machine was 99 % busy" in table.fitness(busy)
    assert "no call" in table.fitness(Cell("puente", "lan", 1, secs=25, warm_s=10))
