"""Settings: defaults, lists, keys, and one line for what is wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from server.settings import RELAY_CONTROL, TOKENS, SettingError, derived, load


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment without settings."""
    for name in [name for name in os.environ if name.startswith("PUENTE_")]:
        monkeypatch.delenv(name)


def test_nothing_set_is_one_machine_for_itself() -> None:
    """Without any variable everything listens on the usual ports, HTTP only for this machine."""
    settings = load()
    assert (settings.http_host, settings.http_port, settings.media_host, settings.media_port) == (
        "127.0.0.1", 8080, "0.0.0.0", 40_000,
    )  # fmt: skip
    assert settings.redis_url is None
    assert settings.public_url is None
    assert settings.database_address().startswith("sqlite+aiosqlite:////")


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files and units write empty values for what is left out."""
    monkeypatch.setenv("PUENTE_REDIS_URL", "")
    monkeypatch.setenv("PUENTE_HTTP_PORT", "")
    assert load().http_port == 8080


def test_lists_are_split_on_commas_and_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several addresses and keys fit in one variable."""
    monkeypatch.setenv("PUENTE_MEDIA_ADDRESS", "192.0.2.1, 2001:db8::1")
    monkeypatch.setenv("PUENTE_SECRET_KEY", "new-key-0123456789 old-key-0123456789")
    settings = load()
    assert settings.media_address == ("192.0.2.1", "2001:db8::1")
    assert settings.keys() == (b"new-key-0123456789", b"old-key-0123456789")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_HOST", "not a host"),
        ("HTTP_PORT", "eighty"),
        ("HTTP_PORT", "65536"),
        ("HTTP_PORT", "-1"),
        ("MEDIA_HOST", "localhost"),
        ("MEDIA_ADDRESS", "192.0.2.1,example.org"),
        ("MEDIA_PORT", "0"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://:geheim@"),
        ("DATABASE_URL", "mysql://geheim@host/name"),
        ("DATABASE_URL", "postgresql://geheim@host"),
        ("SECRET_KEY", "geheim"),
        ("PUBLIC_URL", "puente.example.org"),
        ("PUBLIC_URL", "https://geheim@puente.example.org"),
        ("PUBLIC_URL", "https://puente.example.org/path"),
        ("PUBLIC_URL", "https://puente.example.org:99999"),
        ("RELAY_URL", "relay:1"),
        ("RELAY_URL", "http://relay"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TURN_URLS", "turn.example.org"),
        ("TURN_URLS", "turn:geheim@turn.example.org"),
        ("TURN_URLS", "turns:turn.example.org:70000"),
        ("TURN_URLS", "turn:turn.example.org?transport=sctp"),
        ("TURN_SECRET", "geheim"),
        ("TURN_LIFETIME_S", "60"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The line says which variable and what it must be, and repeats nothing of the value."""
    monkeypatch.setenv(f"PUENTE_{name}", value)
    with pytest.raises(SettingError) as raised:
        load()
    line = str(raised.value)
    assert line.startswith(f"PUENTE_{name} must be ")
    assert "\n" not in line
    assert "geheim" not in line


def test_all_bad_values_are_in_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start three times to learn of three mistakes."""
    monkeypatch.setenv("PUENTE_HTTP_PORT", "x")
    monkeypatch.setenv("PUENTE_MEDIA_PORT", "y")
    with pytest.raises(SettingError, match=r"PUENTE_HTTP_PORT .*; PUENTE_MEDIA_PORT "):
        load()


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("postgresql://u:p@db/puente", "postgresql+asyncpg://u:p@db/puente"),
        ("postgres://u@db/puente", "postgresql+asyncpg://u@db/puente"),
        ("postgresql+asyncpg:///puente?host=/run", "postgresql+asyncpg:///puente?host=/run"),
        ("sqlite:////tmp/x.sqlite3", "sqlite+aiosqlite:////tmp/x.sqlite3"),
    ],
)
def test_database_urls_get_the_driver_that_is_used(monkeypatch: pytest.MonkeyPatch, url: str, used: str) -> None:
    """People write the URL as they know it; which driver reads it is ours to say."""
    monkeypatch.setenv("PUENTE_DATABASE_URL", url)
    assert load().database_address() == used


def test_a_key_is_made_once_and_kept_for_the_owner_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a key in the environment, the one in the data directory is the same at the next start."""
    monkeypatch.setenv("PUENTE_DATA_DIR", str(tmp_path / "data"))
    first = load().keys()
    assert load().keys() == first
    assert len(first[0]) >= 32
    assert stat.S_IMODE((tmp_path / "data" / "secret-key").stat().st_mode) == 0o600


def test_a_key_file_that_cannot_be_kept_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A data directory that is a file, and an emptied key file, are said in words."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PUENTE_DATA_DIR", str(tmp_path / "file" / "data"))
    with pytest.raises(SettingError, match="PUENTE_DATA_DIR"):
        load().keys()
    (tmp_path / "secret-key").write_text("")
    monkeypatch.setenv("PUENTE_DATA_DIR", str(tmp_path))
    with pytest.raises(SettingError, match="holds no key"):
        load().keys()


def test_each_purpose_has_keys_of_its_own() -> None:
    """What is signed for one purpose verifies for no other, and the order of the master keys is kept."""
    keys = (b"new-key-0123456789", b"old-key-0123456789")
    tokens, control = derived(keys, TOKENS), derived(keys, RELAY_CONTROL)
    assert len({*tokens, *control}) == 4
    assert derived(keys[:1], TOKENS) == tokens[:1]
    assert all(len(key) == 32 for key in (*tokens, *control))


def test_a_relay_over_tcp_needs_a_key_that_both_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that one machine made for itself is of no use on the other."""
    with pytest.raises(SettingError, match="PUENTE_SECRET_KEY"):
        load().relay_secret()
    monkeypatch.setenv("PUENTE_SECRET_KEY", "new-key-0123456789")
    assert load().relay_secret() == derived((b"new-key-0123456789",), RELAY_CONTROL)[0]


def test_a_command_may_have_its_own_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo keeps its data apart unless told where."""
    assert load(default_data_dir=Path("var/demo")).data_dir == Path("var/demo")
    monkeypatch.setenv("PUENTE_DATA_DIR", "/srv/puente")
    assert load(default_data_dir=Path("var/demo")).data_dir == Path("/srv/puente")


def test_turn_addresses_need_the_secret_of_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it no credentials could be made, and pages would try servers that refuse them."""
    monkeypatch.setenv("PUENTE_TURN_URLS", "turn:turn.example.org turns:[2001:db8::1]:443?transport=tcp")
    with pytest.raises(SettingError, match="PUENTE_TURN_SECRET must be set"):
        load()
    monkeypatch.setenv("PUENTE_TURN_SECRET", "a-secret-of-the-servers")
    assert load().turn_urls == ("turn:turn.example.org", "turns:[2001:db8::1]:443?transport=tcp")
    assert load().turn_lifetime_s == 12 * 3600
