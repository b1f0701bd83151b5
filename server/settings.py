"""What may be set from outside, as `PUENTE_…` environment variables.

A bad value never starts anything: `load` raises `SettingError`, whose text is one line that names the variables and
says what they must be. It never repeats a value, since keys and passwords of URLs are among them.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_KEY_CHARACTERS = 16
KEY_FILE = "secret-key"

TOKENS = "tokens"
RELAY_CONTROL = "relay control"
"""What `derived` makes keys for."""

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingError(ValueError):
    """A `PUENTE_…` variable has a value that cannot be used, or one that is needed cannot be made."""


def _words(value: object) -> object:
    """Split on commas and white space, so that several addresses or keys fit in one variable."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _ip(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _secret_words(value: object) -> object:
    words = _words(value)
    return tuple(SecretStr(word) for word in words) if isinstance(words, tuple) else words


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < MIN_KEY_CHARACTERS:
        raise ValueError("too short")
    return key


def _origin(url: str) -> str:
    parts = urlsplit(url)
    bare = not parts.query and not parts.fragment and parts.path in {"", "/"} and "@" not in parts.netloc
    if parts.scheme not in {"http", "https"} or not parts.hostname or not bare:
        raise ValueError("not an origin")
    _ = parts.port  # raises ValueError when it is no port
    return url.rstrip("/")


def _redis_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    where = parts.path if parts.scheme == "unix" else parts.hostname
    if parts.scheme not in {"redis", "rediss", "unix"} or not where:
        raise ValueError("not a redis URL")
    _ = parts.port
    return url


def _database_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    scheme, separator, rest = text.partition("://")
    dialect = scheme.partition("+")[0]
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    if not separator or dialect not in driver or (dialect != "sqlite" and not urlsplit(text).path.strip("/")):
        raise ValueError("not a database URL")
    return SecretStr(f"{driver[dialect]}://{rest}")


def _relay_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path.startswith("/"):
        return url
    if parts.scheme != "http" or not parts.hostname or parts.port is None or parts.path not in {"", "/"}:
        raise ValueError("not a relay address")
    return url.rstrip("/")


def _turn_url(url: str) -> str:
    found = _TURN_URL.fullmatch(url)
    if found is None or not 0 < int(found["port"] or 3478) <= 65_535:
        raise ValueError("not a TURN address")
    return url


_TURN_URL = re.compile(
    r"turns?:([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:(?P<port>\d{1,5}))?(\?transport=(udp|tcp))?"
)
"""RFC 7065 §3.1."""

Port = Annotated[int, Field(ge=1, le=65535)]
FreePort = Annotated[int, Field(ge=0, le=65535)]
Ip = Annotated[str, AfterValidator(_ip)]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
Key = Annotated[SecretStr, AfterValidator(_long_enough)]

_MUST_BE = {
    "http_host": "a host name or an IP address to listen on",
    "http_port": "a port number from 0 (any free one) to 65535",
    "media_host": "an IP address to listen on",
    "media_address": "IP addresses, separated by commas",
    "media_port": "a port number from 1 to 65535",
    "redis_url": "redis://host:port/db, rediss://… or unix:///path",
    "database_url": "sqlite:///path or postgresql://user:password@host/name",
    "data_dir": "a path",
    "secret_key": f"keys of at least {MIN_KEY_CHARACTERS} characters, separated by commas or blanks, the newest first",
    "public_url": "http://host or https://host, without a path",
    "relay_url": "http://host:port or unix:/path of a relay worker's control socket",
    "turn_urls": "turn:host:port or turns:host:port addresses, separated by commas",
    "turn_secret": f"a secret of at least {MIN_KEY_CHARACTERS} characters, shared with the TURN server",
    "turn_lifetime_s": "seconds from 600 to 172800",
    "trusted_proxies": "IP networks such as 10.0.0.0/8, separated by commas",
}


class Settings(BaseSettings):
    """Everything that may be set. Where nothing is set, one machine runs all of it for itself."""

    model_config = SettingsConfigDict(env_prefix="PUENTE_", env_ignore_empty=True, extra="ignore", frozen=True)

    http_host: Host = "127.0.0.1"
    """Loopback unless told otherwise: browsers give camera and microphone only to https and to localhost, so a proxy
    that speaks TLS stands in front of anything wider."""
    http_port: FreePort = 8080
    media_host: Ip = "0.0.0.0"
    media_address: Annotated[tuple[Ip, ...], NoDecode, BeforeValidator(_words)] = ()
    """What candidates name. Empty: this host's own addresses."""
    media_port: Port = 40_000
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] | None = None
    database_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = None
    data_dir: Path = Path("var/data")
    secret_key: Annotated[tuple[Key, ...], NoDecode, BeforeValidator(_secret_words)] = ()
    public_url: Annotated[str, AfterValidator(_origin)] | None = None
    relay_url: Annotated[str, AfterValidator(_relay_url)] | None = None
    """A relay worker started elsewhere; without it this process starts one of its own."""
    turn_urls: Annotated[tuple[Annotated[str, AfterValidator(_turn_url)], ...], NoDecode, BeforeValidator(_words)] = ()
    """TURN servers for networks that let nothing else through, best first."""
    turn_secret: Key | None = None
    turn_lifetime_s: Annotated[int, Field(ge=600, le=172_800)] = 12 * 3600
    """How long credentials for them are good: longer than a visit lasts, since each refresh of an
    allocation shows them again."""
    trusted_proxies: Annotated[tuple[IpNetwork, ...], NoDecode, BeforeValidator(_words)] = (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )
    """Whose `X-Forwarded-For` is believed."""

    def database_address(self) -> str:
        """The SQLAlchemy URL of the database: the one that was set, else a file in the data directory."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'puente.sqlite3'}"

    def relay_secret(self) -> bytes:
        """What requests to a relay worker over TCP are signed with.

        Raises SettingError without PUENTE_SECRET_KEY: the worker's machine must be told the same one.
        """
        if not self.secret_key:
            raise SettingError(
                "PUENTE_SECRET_KEY must be set, to the same on both, when a relay is controlled over TCP"
            )
        return derived(self.keys(), RELAY_CONTROL)[0]

    def keys(self) -> tuple[bytes, ...]:
        """The master keys, newest first. Without any, one is made and kept in the data directory, readable by its
        owner only.

        Raises SettingError when the file cannot be written or read.
        """
        if self.secret_key:
            return tuple(key.get_secret_value().encode() for key in self.secret_key)
        return (_kept_key(self.data_dir / KEY_FILE),)


def derived(keys: tuple[bytes, ...], purpose: str) -> list[bytes]:
    """Keys of 32 bytes for one purpose, so that what one part signs means nothing to another (HKDF-Expand's first
    block, RFC 5869 §2.3)."""
    return [hmac.digest(key, purpose.encode() + b"\x01", hashlib.sha256) for key in keys]


def load(*, default_data_dir: Path | None = None) -> Settings:
    """Read the environment.

    Raises SettingError with one line that names every bad variable.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        names = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors(include_input=False))
        raise SettingError("; ".join(f"PUENTE_{name.upper()} must be {_MUST_BE[name]}" for name in names)) from None
    if settings.turn_urls and settings.turn_secret is None:
        raise SettingError("PUENTE_TURN_SECRET must be set, to what the TURN servers have, when PUENTE_TURN_URLS is")
    if default_data_dir is not None and "data_dir" not in settings.model_fields_set:
        return settings.model_copy(update={"data_dir": default_data_dir})
    return settings


def _kept_key(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(48))
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SettingError(f"PUENTE_DATA_DIR: the key file {path} cannot be kept there: {reason}") from None
    if len(key) < MIN_KEY_CHARACTERS:
        raise SettingError(f"PUENTE_DATA_DIR: the key file {path} holds no key; remove it to have a new one made")
    return key.encode()
