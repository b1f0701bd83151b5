"""The command line: `puente serve | relay | demo | migrate | turn-config | linktest`.

Exit codes: 0 done, 1 could not start or was not up to date, 2 a setting or an argument is bad (one line says which).
`linktest` has its own: what the link carries.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import IO, Any, Literal

import click

# What a command needs is imported by the command: a relay worker stays small, and `--help` comes at once.
from server import settings as configuration
from server.settings import SettingError, Settings
from server.version import VERSION

DEMO_DATA_DIR = Path("var/demo")


class PlainError(click.ClickException):
    """One line on standard error, without a traceback."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(f"puente: {self.message}", file=file, err=True)


class BadUseError(PlainError):
    """A setting or an argument is bad."""

    exit_code = 2


def _load(default_data_dir: Path | None = None) -> Settings:
    try:
        return configuration.load(default_data_dir=default_data_dir)
    except SettingError as error:
        raise BadUseError(str(error)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="puente")
def main() -> None:
    """Puente: video teleconsultation for links that barely exist.

    Everything is set by PUENTE_… environment variables; README.md lists them.
    """


@main.command()
def serve() -> None:
    """Serve pages, live signalling and, unless PUENTE_RELAY_URL names one, a relay worker."""
    _serve(_load(), demo=False)


@main.command()
def demo() -> None:
    """Serve with one-click links to invented people, for trying out."""
    _serve(_load(DEMO_DATA_DIR), demo=True)


def _serve(settings: Settings, *, demo: bool) -> None:
    import uvloop

    from server import logs, program

    logs.configure()

    def announce(url: str) -> None:
        if sys.stderr.isatty():  # for a person; machines have it in the log
            click.echo(f"Puente is at {url}{'/demo' if demo else ''}  (Ctrl-C ends it)", err=True)

    try:
        uvloop.run(program.run(settings, demo=demo, announce=announce))
    except SettingError as error:
        raise BadUseError(str(error)) from None
    except program.StartError as error:
        raise PlainError(str(error)) from None


@main.command()
@click.option(
    "--control", required=True, metavar="ADDRESS", help="unix:/path or http://host:port to be told what to do at."
)
@click.option("--exit-with-parent", is_flag=True, help="End when standard input does.")
def relay(control: str, *, exit_with_parent: bool) -> None:
    """Run one relay worker: packets only, no database, no Redis."""
    from media import process
    from media.endpoint import parse_endpoint
    from server.relay_process import RelayStartError, check_port_is_free

    settings = _load()
    try:
        over_tcp = not parse_endpoint(control).path
    except ValueError as error:
        raise BadUseError(f"--control: {error}") from None
    try:
        secret = settings.relay_secret() if over_tcp else None
        check_port_is_free(settings.media_host, settings.media_port)
    except SettingError as error:
        raise BadUseError(str(error)) from None
    except RelayStartError as error:
        raise PlainError(str(error)) from None
    sys.exit(
        process.run(
            process.RelaySettings(
                control=control,
                secret=secret,
                host=settings.media_host,
                addresses=settings.media_address,
                port=settings.media_port,
                exit_on_stdin_eof=exit_with_parent,
            )
        )
    )


@main.command()
@click.option("--to", "target", default="head", metavar="REVISION", help="head (default), base, or a revision's id.")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when the schema is behind.")
def migrate(target: str, *, check: bool) -> None:
    """Bring the database's schema up to date."""
    import sqlalchemy as sa
    from alembic.util import CommandError

    from server.database import Database, trouble

    settings = _load()

    async def go() -> bool:
        database = Database(settings.database_address())
        try:
            if not check:
                await database.migrate(target)
            return await database.is_current()
        finally:
            await database.close()

    try:
        current = asyncio.run(go())
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise PlainError(trouble(error)) from None
    except CommandError as error:
        raise BadUseError(f"--to: {error}") from None
    if check and not current:
        raise PlainError("the schema is behind; run `puente migrate`")
    click.echo("The schema is up to date." if current else f"The schema is at {target}.")


@main.command("turn-config")
@click.option("--certificate", default="/etc/coturn/fullchain.pem", metavar="PATH", help="For turns: addresses.")
@click.option("--key", default="/etc/coturn/privkey.pem", metavar="PATH", help="Its private key.")
def turn_config(certificate: str, key: str) -> None:
    """Print turnserver.conf for Debian's coturn, made from PUENTE_TURN_… and PUENTE_MEDIA_ADDRESS."""
    from urllib.parse import urlsplit

    from server.turn_config import TurnServer
    from server.turn_config import turn_config as written

    settings = _load()
    if not settings.turn_urls or settings.turn_secret is None or not settings.media_address:
        raise BadUseError("PUENTE_TURN_URLS, PUENTE_TURN_SECRET and PUENTE_MEDIA_ADDRESS (of every relay) must be set")
    server = TurnServer(
        urls=settings.turn_urls,
        secret=settings.turn_secret.get_secret_value(),
        realm=urlsplit(settings.public_url or "").hostname or "puente",
        peers=settings.media_address,
        certificate=certificate,
        key=key,
    )
    click.echo(written(server), nl=False)


@main.command()
@click.argument("server", metavar="https://HOST")
@click.option("--json", "as_json", is_flag=True, help="Print the measures as JSON.")
@click.option("--udp-only", "only", flag_value="udp", help="Try UDP only.")
@click.option("--tcp-only", "only", flag_value="tcp", help="Try TCP only.")
@click.option("--lang", type=click.Choice(["es-MX", "en"]), default="es-MX", help="Language of the table.")
def linktest(server: str, only: Literal["udp", "tcp"] | None, lang: Literal["es-MX", "en"], *, as_json: bool) -> None:
    """Test the link to a server: UDP, TCP, TURN, both directions.

    Takes up to 40 seconds, and about 1 MB on a fast link. Exit code: 0 the link carries video both ways, 1 voice only,
    2 not even that, or there was no test.
    """
    from urllib.parse import urlsplit

    from server.linktest.client import NoTestError
    from server.linktest.run import run_test
    from server.linktest.words import WORDS, failure, table

    parts = urlsplit(server)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadUseError("the server must be https://host")
    origin = f"{parts.scheme}://{parts.netloc}"
    if sys.stderr.isatty():
        click.echo(WORDS[lang].started, err=True)
    try:
        report = asyncio.run(run_test(origin, only))
    except NoTestError as error:
        raise BadUseError(failure(error.code, origin, lang)) from None
    click.echo(report.model_dump_json(indent=2) if as_json else table(report, lang))
    sys.exit(report.exit_code)


if __name__ == "__main__":
    main(prog_name="puente")
