"""From an event of a client to its acknowledgement: who may, how often, is it well-formed, do it, count it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from signaling.metrics import EVENT_SECONDS, EVENTS
from signaling.model import Model
from signaling.protocol import CLIENT_EVENTS, ErrorCode, Ok
from signaling.refusal import Refusal
from signaling.sessions import Session, Sessions

log = structlog.get_logger(__name__)

Handler = Callable[[Session, Any], Awaitable[Model | None]]
"""Takes the session and the event's model; None means `Ok`. Raises `Refusal`."""

Handlers = Mapping[str, Mapping[str, Handler]]


class Dispatch:
    """Every event of every client comes through here.

    Raises:
        ValueError: when the handlers are not those of the registry.
    """

    def __init__(self, sessions: Sessions, handlers: Handlers, clock: Callable[[], float] = time.monotonic) -> None:
        for namespace, events in CLIENT_EVENTS.items():
            if set(handlers[namespace]) != set(events):
                raise ValueError(f"handlers of {namespace} do not match the protocol")
        self._sessions = sessions
        self._handlers = handlers
        self._clock = clock

    async def event(self, namespace: str, sid: str, name: object, arguments: Sequence[object]) -> Model:
        """Carry out one event and return its acknowledgement."""
        known = isinstance(name, str) and name in CLIENT_EVENTS[namespace]
        label = str(name) if known else "unknown"
        started_s = self._clock()
        try:
            if not known:
                raise Refusal("unknown_event", "no such event in this namespace")
            answer = await self._carry_out(namespace, sid, label, arguments)
        except Refusal as refusal:
            EVENTS.labels(label, refusal.body.code).inc()
            return refusal.acknowledgement()
        except (RedisError, OSError, TimeoutError):
            EVENTS.labels(label, "unavailable").inc()
            return Refusal("unavailable", "the store does not answer", retry_ms=1000).acknowledgement()
        except Exception as error:
            # The edge towards the client: without an acknowledgement it would wait for ever. The text of the error may
            # hold what the client sent, so it is not logged.
            EVENTS.labels(label, "failed").inc()
            log.error("live.event_failed", event_name=label, error=type(error).__name__)  # noqa: TRY400
            return Refusal("unavailable", "try again", retry_ms=2000).acknowledgement()
        EVENTS.labels(label, "ok").inc()
        EVENT_SECONDS.labels(label).observe(self._clock() - started_s)
        return answer

    async def _carry_out(self, namespace: str, sid: str, name: str, arguments: Sequence[object]) -> Model:
        session = self._sessions.of_socket(namespace, sid)
        if session is None:
            raise Refusal("not_allowed", "this page has been replaced by another")
        registered = CLIENT_EVENTS[namespace][name]
        wait_s = session.wait_s(name, registered, self._clock())
        if wait_s > 0:
            raise Refusal("rate_limited", "too often", int(wait_s * 1000) + 1)
        message = _parse(registered.model, arguments)
        answer = await self._handlers[namespace][name](session, message)
        return Ok() if answer is None else answer


def _parse(model: type[Model], arguments: Sequence[object]) -> Model:
    if len(arguments) > 1:
        raise Refusal("bad_request", "one object, not several")
    data = arguments[0] if arguments else {}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        # Only names of our own fields are repeated; an unknown field's name is the client's words.
        place = ".".join(str(part) for part in first["loc"]) if first["type"] != "extra_forbidden" else "unknown field"
        code: ErrorCode = "too_large" if first["type"] in ("string_too_long", "too_long") else "bad_request"
        raise Refusal(code, f"{place}: {first['type']}") from None
