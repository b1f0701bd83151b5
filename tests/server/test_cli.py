"""The command line as people and service managers use it: what it says, how it exits."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from server.version import VERSION
from tests.server.conftest import ROOT


def puente(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself, with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PUENTE_")}
    settings = {f"PUENTE_{name}": value for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=folder, env={**inherited, "PYTHONPATH": str(ROOT), **settings}, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def test_help_lists_every_command(tmp_path: Path) -> None:
    """And so does each command for its options."""
    shown = puente("--help", folder=tmp_path)
    assert shown.returncode == 0
    for command in ("serve", "relay", "demo", "migrate", "turn-config", "linktest"):
        assert re.search(rf"^  {command} ", shown.stdout, re.MULTILINE)
        assert puente(command, "--help", folder=tmp_path).returncode == 0


def test_the_version_is_that_of_the_project(tmp_path: Path) -> None:
    """Written in two places, the same in both."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION
    assert VERSION in puente("--version", folder=tmp_path).stdout


@pytest.mark.parametrize(
    "command", [["serve"], ["demo"], ["migrate"], ["turn-config"], ["relay", "--control", "unix:/tmp/x"]]
)
def test_a_bad_setting_is_one_line_and_exit_code_2(tmp_path: Path, command: list[str]) -> None:
    """For every command, and without anything having been made."""
    ended = puente(*command, folder=tmp_path, HTTP_PORT="geheim", SECRET_KEY="geheim")
    assert ended.returncode == 2
    assert ended.stdout == ""
    line, rest = ended.stderr.split("\n", 1)
    assert rest == ""
    assert line.startswith("puente: PUENTE_HTTP_PORT must be ")
    assert "PUENTE_SECRET_KEY" in line
    assert "geheim" not in line
    assert list(tmp_path.iterdir()) == []


def test_a_bad_control_address_is_exit_code_2(tmp_path: Path) -> None:
    """So is one over TCP without a key that both sides know."""
    assert puente("relay", "--control", "relay", folder=tmp_path).returncode == 2
    ended = puente("relay", "--control", "http://127.0.0.1:1", folder=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "PUENTE_SECRET_KEY" in ended.stderr


@pytest.mark.parametrize(
    ("port", "command"),
    [("HTTP_PORT", ["serve"]), ("MEDIA_PORT", ["serve"]), ("MEDIA_PORT", ["relay", "--control", "unix:{folder}/c"])],
)
def test_a_port_that_is_taken_is_one_line_and_exit_code_1(tmp_path: Path, port: str, command: list[str]) -> None:
    """The line names the variable; what was started before is ended."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken, socket.socket() as other:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other.bind(("127.0.0.1", 0))
        ports = {"HTTP_PORT": str(other.getsockname()[1]), "MEDIA_PORT": str(other.getsockname()[1])}
        ports[port] = str(taken.getsockname()[1])
        other.close()
        ended = puente(
            *(word.format(folder=tmp_path) for word in command), folder=tmp_path, MEDIA_HOST="127.0.0.1", **ports
        )
    assert ended.returncode == 1, ended
    lines = [line for line in ended.stderr.splitlines() if line]
    assert lines == [line for line in lines if line.startswith(f"puente: PUENTE_{port}: ")], ended.stderr
    assert len(lines) == 1
    assert "Traceback" not in ended.stdout


def test_migrate_says_where_the_schema_is(tmp_path: Path) -> None:
    """Behind is exit code 1 with `--check`, an unknown revision 2, a database that cannot be opened 1."""
    assert puente("migrate", "--check", folder=tmp_path).returncode == 1
    assert puente("migrate", folder=tmp_path).returncode == 0
    assert puente("migrate", "--check", folder=tmp_path).returncode == 0
    assert puente("migrate", "--to", "base", folder=tmp_path).returncode == 0
    assert puente("migrate", "--to", "nothing", folder=tmp_path).returncode == 2
    for url in (f"sqlite:////{tmp_path}", f"postgresql://geheim:geheim@/none?host={tmp_path}"):
        ended = puente("migrate", folder=tmp_path, DATABASE_URL=url)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended
        assert ended.stderr.startswith("puente: PUENTE_DATABASE_URL: ")
        assert "geheim" not in ended.stderr


def test_a_store_or_database_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Serving does not begin without what it was told to use."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        port = nobody.getsockname()[1]
        ended = puente("serve", folder=tmp_path, DATABASE_URL=f"postgresql://geheim@127.0.0.1:{port}/none")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended
    assert ended.stderr.startswith("puente: PUENTE_DATABASE_URL: ")
    assert "geheim" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("server", ["example.org", "ftp://example.org", "https://"])
def test_a_link_test_needs_a_server(tmp_path: Path, server: str) -> None:
    """One line says what it must be; nothing is sent anywhere."""
    ended = puente("linktest", server, folder=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "puente: the server must be https://host\n")


def test_a_link_test_without_an_answer_is_one_line(tmp_path: Path) -> None:
    """In the language that was asked for."""
    for language, words in (("es-MX", "no se llega a"), ("en", "cannot be reached")):
        ended = puente("linktest", "http://127.0.0.1:9", "--lang", language, folder=tmp_path)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert words in ended.stderr
