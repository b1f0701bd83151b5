"""The descriptions of the live protocol."""

from __future__ import annotations

import typing

import pytest

from signaling import describe, protocol


def test_written_descriptions_match_the_models() -> None:
    """docs/protocol.md and web/src/protocol.ts are what the models say now."""
    for path, text in describe.descriptions().items():
        assert path.read_text(encoding="utf-8") == text, f"run python -m signaling.describe ({path.name})"


def test_check_reports_drift(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--check fails on a file that differs, writing mends it, --check then passes."""
    monkeypatch.setattr(describe, "ROOT", tmp_path)
    monkeypatch.setattr(describe, "MARKDOWN_PATH", tmp_path / "docs" / "protocol.md")
    monkeypatch.setattr(describe, "TYPESCRIPT_PATH", tmp_path / "web" / "protocol.ts")
    assert describe.main(["--check"]) == 1
    assert "protocol.md differs" in capsys.readouterr().err
    assert describe.main([]) == 0
    assert describe.main(["--check"]) == 0


def test_every_event_and_error_is_described() -> None:
    """Each event and each error code has a line of its own with words in it."""
    notes = describe.Notes(describe.source_of_the_protocol())
    text = describe.markdown(notes)
    for events in (*protocol.CLIENT_EVENTS.values(), *protocol.SERVER_EVENTS.values()):
        assert all(f"| `{name}` |" in text for name in events)
    assert set(notes.errors) == set(typing.get_args(protocol.ErrorCode))
    assert all(notes.errors.values())


def test_server_fields_are_always_there_and_client_defaults_may_be_left_out() -> None:
    """A page can rely on every field the server sends, and leave out what has a default."""
    text = describe.typescript(describe.Notes(describe.source_of_the_protocol()))
    assert "  retry_ms: number | null;" in text
    assert "  reason?: string;" in text
    assert "  voice_only: boolean;" in text
