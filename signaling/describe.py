"""Writes the descriptions of the live protocol from its models: `docs/protocol.md` and `web/src/protocol.ts`.

`python -m signaling.describe` writes both; with `--check` it writes nothing and exits 1 when either differs from what
the models say, so a change of the models without its descriptions does not pass the tests.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from signaling import protocol, protocol_media
from signaling.protocol import CLIENT_EVENTS, MAX_MESSAGE_BYTES, PROTOCOL_VERSION, SERVER_EVENTS, ClientEvent

ROOT = Path(__file__).resolve().parent.parent
MARKDOWN_PATH = ROOT / "docs" / "protocol.md"
TYPESCRIPT_PATH = ROOT / "web" / "src" / "protocol.ts"

LIFE_OF_A_CONNECTION = """\
1. **Ticket.** A page exchanges its link (`POST /api/session`) and gets a ticket that is good for a few minutes; a fresh
   one comes from `POST /api/ticket`. A ticket is only looked at when connecting.
2. **Connect** to Socket.IO at path `/live/`, transport `websocket` only (Engine.IO 4), namespace `/patient` or
   `/staff`, with the `auth` object below. A refused connect answers with `connect_error`; its `message` is the code and
   its `data` an `ErrorBody`. `ticket_expired`: get a fresh ticket and connect again. `closing`, `unavailable`,
   `rate_limited`: connect again after `retry_ms`, with jitter. Anything else: do not try again with the same ticket.
3. **Snapshot.** The first event is always `snapshot`. A page drawn from the snapshot with the highest `seq` is right.
4. **Media.** When `snapshot.leg` is there and its `sdp` is not null, make a new `RTCPeerConnection` (or, when `leg` and
   `epoch` are those of the connection that is held and only `restart` rose, use that one), set the offer, and send
   `leg.answer` with the same `leg`, `epoch` and `restart`. When `sdp` is null, keep what there is. A patient's leg
   comes on joining, a nurse's while the offer rings, so accepting needs no negotiation.
5. **The network changed** and ICE went to `disconnected` or `failed`: `leg.restart` answers with a new offer for the
   same connection. When that does not help either: `leg.renew`, the new offer comes with the next snapshot.
6. **Socket lost**: connect again with `leg` = the leg that is held. While its media flows the call goes on as if
   nothing had happened; the seat is held in any case.
7. **Page reloaded**: connect with `leg: null`. The old leg is closed, the snapshot offers a new one, and the same call
   goes on.
8. **`replaced`**: the same person has connected from another page. Stop; do not connect again by yourself.
9. **`closing`**: this process is going down. Connect again after `retry_ms`; media is not touched.
10. **What to send.** `limits` (and `call.sends`) says how voice and picture are to be encoded now, and why;
   `peer.receives` (and `call.receives`) what the other side sends. A page obeys at once and answers nothing. Its own
   sight of its media goes up in `link.media`, of which one each 2 s is used.
11. **Stills** go in pieces: `still.begin`, then `still.part` with binary `data` in order from the `offset` of the
   acknowledgement on. A few may be under way; a piece that is not the next one is not taken, and its acknowledgement
   says where the server is. After a reconnect `still.begin` with the same id says from
   where to go on. The other side hears `still` at the beginning, at each quarter and at the end, finds `call.stills` in
   its snapshots, and fetches pieces with `still.want`. Of each side three stills and 6 MB are kept, the oldest
   view goes first, then the oldest; a still that is no more is `stale`. All end with the visit. No other event may
   carry binary data.
12. **Versions.** `v` in the `auth` object is the version of this document. Clients ignore fields and events of the
    server that they do not know; the server refuses fields and events that it does not know.
"""


def source_of_the_protocol() -> str:
    """The text of the modules in which the protocol is written down."""
    return inspect.getsource(protocol_media) + inspect.getsource(protocol)


class Notes:
    """What the source of the protocol says in words: docstrings below fields and names, comments beside error codes."""

    def __init__(self, source: str) -> None:
        self.names: dict[str, str] = {}
        self.fields: dict[tuple[str, str], str] = {}
        tree = ast.parse(source)
        for name, text in _documented(tree.body):
            self.names[name] = text
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                for name, text in _documented(node.body):
                    self.fields[node.name, name] = text
        block = source.split("ErrorCode = Literal[", 1)[1].split("]", 1)[0]
        comments = dict(re.findall(r'"(\w+)",\s*# (.+?)\s*\n', block))
        self.errors = {code: comments.get(code, "") for code in get_args(protocol.ErrorCode)}


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Names assigned in `body` that have a docstring right below them."""
    for node, after in pairwise(body):
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if not isinstance(target, ast.Name) or not isinstance(after, ast.Expr):
            continue
        if isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            yield target.id, inspect.cleandoc(after.value.value)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _reach(roots: list[type[BaseModel]]) -> set[type[BaseModel]]:
    seen: set[type[BaseModel]] = set()
    todo = list(roots)
    while todo:
        model = todo.pop()
        if model not in seen:
            seen.add(model)
            for info in model.model_fields.values():
                todo.extend(_models_in(info.annotation))
    return seen


SENT_BY_CLIENTS = _reach(
    [protocol.ConnectAuth, *(event.model for events in CLIENT_EVENTS.values() for event in events.values())]
)
SENT_BY_SERVER = _reach(
    [
        protocol.Refused,
        *(event.ack for events in CLIENT_EVENTS.values() for event in events.values()),
        *(model for events in SERVER_EVENTS.values() for model in events.values()),
    ]
)
NAMES = {**vars(protocol_media), **vars(protocol)}
MODELS = [model for model in NAMES.values() if isinstance(model, type) and model in SENT_BY_CLIENTS | SENT_BY_SERVER]
LITERALS = {name: value for name, value in NAMES.items() if get_origin(value) is Literal and name[0].isupper()}


def _optional(model: type[BaseModel], info: FieldInfo) -> bool:
    """Whether a writer of this model may leave the field out. What the server sends is always complete."""
    return not info.is_required() and model not in SENT_BY_SERVER


def typescript_type(annotation: Any) -> str:  # noqa: PLR0911 - one return per kind of annotation
    """The TypeScript type of a Python annotation.

    Raises:
        TypeError: for an annotation that the protocol has not used so far.
    """
    for name, literal in LITERALS.items():
        if annotation == literal:
            return name
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return typescript_type(parts[0])
    if origin is Literal:
        return " | ".join(_constant(value) for value in parts)
    if origin in (Union, types.UnionType):
        return " | ".join(typescript_type(part) for part in parts)
    if origin is list:
        inner = typescript_type(parts[0])
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    plain = {bytes: "Uint8Array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
    if annotation in plain:
        return plain[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__
    raise TypeError(f"no TypeScript type known for {annotation!r}")


def _constant(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str, indent: str = "") -> list[str]:
    lines = text.splitlines()
    if len(lines) == 1:
        return [f"{indent}/** {lines[0]} */"]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


def typescript(notes: Notes) -> str:
    """The text of `web/src/protocol.ts`."""
    out = [
        "// Written by `python -m signaling.describe` from signaling/protocol*.py. Do not edit.",
        "",
        f"export const PROTOCOL_VERSION = {PROTOCOL_VERSION};",
        *_comment(notes.names["MAX_MESSAGE_BYTES"]),
        f"export const MAX_MESSAGE_BYTES = {MAX_MESSAGE_BYTES};",
        'export const LIVE_PATH = "/live/";',
    ]
    for name, literal in LITERALS.items():
        out.append("")
        if name in notes.names:
            out += _comment(notes.names[name])
        out.append(f"export type {name} =")
        out += [f"  | {_constant(value)}" for value in get_args(literal)]
        out[-1] += ";"
    for model in MODELS:
        out += ["", *_comment(inspect.getdoc(model) or "")]
        if not model.model_fields:
            out.append(f"export type {model.__name__} = Record<string, never>;")
            continue
        out.append(f"export interface {model.__name__} {{")
        for name, info in model.model_fields.items():
            if (model.__name__, name) in notes.fields:
                out += _comment(notes.fields[model.__name__, name], "  ")
            mark = "?" if _optional(model, info) else ""
            out.append(f"  {name}{mark}: {typescript_type(info.annotation)};")
        out.append("}")
    for namespace in CLIENT_EVENTS:
        out += ["", *_event_maps(namespace)]
    return "\n".join(out) + "\n"


def _event_maps(namespace: str) -> list[str]:
    title = namespace[1:].capitalize()
    out = [f"/** What a page may send in the namespace `{namespace}`, and the answer to it. */"]
    out.append(f"export interface {title}Emits {{")
    for name, event in CLIENT_EVENTS[namespace].items():
        answer = f"(answer: {event.ack.__name__} | Refused) => void"
        out.append(f'  "{name}": (data: {event.model.__name__}, ack: {answer}) => void;')
    out += ["}", "", f"/** What the server sends in the namespace `{namespace}`. */"]
    out.append(f"export interface {title}Hears {{")
    out += [f'  "{name}": (data: {model.__name__}) => void;' for name, model in SERVER_EVENTS[namespace].items()]
    return [*out, "}"]


def _bounds(info: FieldInfo) -> str:
    """The limits of a field in words: those of the field itself and of the elements of a list."""
    words = [_limit(item) for item in info.metadata]
    for part in get_args(info.annotation):
        if get_origin(part) is Annotated:
            prefix = "each " if get_origin(info.annotation) is list else ""
            words += [prefix + word for item in get_args(part)[1:] for word in _field_limits(item)]
    return ", ".join(word for word in words if word)


def _field_limits(item: Any) -> list[str]:
    metadata = item.metadata if isinstance(item, FieldInfo) else [item]
    return [word for word in map(_limit, metadata) if word]


def _limit(item: Any) -> str:
    if isinstance(item, Ge):
        return f"≥ {item.ge}"
    if isinstance(item, Le):
        return f"≤ {item.le}"
    if isinstance(item, MinLen):
        return f"length ≥ {item.min_length}"
    if isinstance(item, MaxLen):
        return f"length ≤ {item.max_length}"
    pattern = getattr(item, "pattern", None)
    return f"`{pattern}`" if pattern else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _field_table(model: type[BaseModel], notes: Notes) -> list[str]:
    if not model.model_fields:
        return ["No fields: `{}`.", ""]
    out = ["| field | type | limits | meaning |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        kind = f"`{typescript_type(info.annotation)}`"
        limits = _bounds(info)
        if _optional(model, info):
            default = info.get_default(call_default_factory=True)
            limits = ", ".join(part for part in (limits, f"may be left out: `{_constant(default)}`") if part)
        meaning = notes.fields.get((model.__name__, name), "")
        out.append("| " + " | ".join(_cell(part) for part in (f"`{name}`", kind, limits, meaning)) + " |")
    return [*out, ""]


def _events_table(events: dict[str, ClientEvent]) -> list[str]:
    out = ["| event | data | acknowledgement | sustained / at once | |", "|---|---|---|---|---|"]
    for name, event in events.items():
        data, ack = event.model.__name__, event.ack.__name__
        meaning = (inspect.getdoc(event.model) or "").split("\n\n")[0]
        rate = f"{event.per_minute}/min / {event.burst}"
        out.append(f"| `{name}` | {_link(data)} | {_link(ack)} | {rate} | {_cell(meaning)} |")
    return [*out, ""]


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def markdown(notes: Notes) -> str:
    """The text of `docs/protocol.md`."""
    title, _, rules = (inspect.getdoc(protocol) or "").partition("\n\n")
    out = [
        "# The live protocol",
        "",
        "Written by `python -m signaling.describe` from `signaling/protocol*.py`; do not edit. Version "
        f"{PROTOCOL_VERSION}. {title}",
        "",
        rules,
        "",
        "## Life of a connection",
        "",
        LIFE_OF_A_CONNECTION,
        "### ConnectAuth",
        "",
        inspect.getdoc(protocol.ConnectAuth) or "",
        "",
        *_field_table(protocol.ConnectAuth, notes),
        "## Errors",
        "",
        "A refusal changes nothing. As an acknowledgement it is a [Refused](#refused). "
        f"A message of more than {MAX_MESSAGE_BYTES} bytes, or one that is not Socket.IO, closes the socket.",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {_cell(meaning)} |" for code, meaning in notes.errors.items()),
        "",
    ]
    for namespace, events in CLIENT_EVENTS.items():
        out += [f"## Namespace `{namespace}`", "", "### Sent by the page: " + namespace[1:], ""]
        out += _events_table(events)
        out += ["### Sent by the server: " + namespace[1:], "", "| event | data | |", "|---|---|---|"]
        for name, sent in SERVER_EVENTS[namespace].items():
            meaning = (inspect.getdoc(sent) or "").split("\n\n")[0]
            out.append(f"| `{name}` | {_link(sent.__name__)} | {_cell(meaning)} |")
        out.append("")
    out += ["## Data", ""]
    for name, literal in LITERALS.items():
        values = ", ".join(f"`{value}`" for value in get_args(literal))
        out += [f"### {name}", "", values + ".", ""]
        if name in notes.names:
            out += [notes.names[name], ""]
    for model in MODELS:
        if model is not protocol.ConnectAuth:
            out += [f"### {model.__name__}", "", inspect.getdoc(model) or "", "", *_field_table(model, notes)]
    return "\n".join(out).rstrip() + "\n"


def descriptions() -> dict[Path, str]:
    """The files and what they are to contain."""
    notes = Notes(source_of_the_protocol())
    return {MARKDOWN_PATH: markdown(notes), TYPESCRIPT_PATH: typescript(notes)}


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` say which differ."""
    parser = argparse.ArgumentParser(prog="python -m signaling.describe", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    check = parser.parse_args(arguments).check
    drifted = 0
    for path, text in descriptions().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        drifted += 1
        if check:
            sys.stderr.write(f"{path.relative_to(ROOT)} differs from signaling/protocol.py\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
