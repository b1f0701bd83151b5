"""The command line, without making calls."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.links.__main__ import main
from bench.links.goals import LINKS
from bench.links.result import Cell
from bench.links.servers import SERVERS, JanusCapped
from tests.bench.links.test_goals import cell


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["links", *arguments])
    return main()


def judged(monkeypatch: pytest.MonkeyPatch, folder: Path, *cells: Cell) -> int:
    for each in cells:
        each.write(folder / f"{each.server}.{each.link}.{each.seed}.json")
    return run(monkeypatch, "judge", "--results", str(folder), "--links", "edge-2g")


def test_all_goals_met_is_a_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And only then."""
    assert judged(monkeypatch, tmp_path, cell()) == 0


def test_a_missed_goal_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says which."""
    assert judged(monkeypatch, tmp_path, cell(stoi=0.5)) == 1
    assert "edge-2g up: stoi ≥ 0.9: 0.5 NOT MET" in capsys.readouterr().out


def test_a_link_that_was_not_measured_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A benchmark without figures shows nothing."""
    assert judged(monkeypatch, tmp_path) == 1


def test_a_run_that_is_not_valid_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Even where its figures would do."""
    busy = cell()
    busy.unfit = ["the machine was 99 % busy"]
    assert judged(monkeypatch, tmp_path, busy) == 1


def test_bad_settings_are_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2, before anything starts."""
    assert run(monkeypatch, "run", "--set", "colour=5") == 2
    assert "colour" in capsys.readouterr().err


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("link", LINKS)
def test_every_server_can_be_made_for_every_link(name: str, link: str, tmp_path: Path) -> None:
    """And the capped one says its cap in each party's address."""
    server = SERVERS[name](link, tmp_path)
    if isinstance(server, JanusCapped):
        assert "bitrate=" in server.url("patient")
        assert "peer=" not in server.url("nurse")
