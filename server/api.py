"""The HTTP API: its endpoints as data, from which come both the routes and `/api/openapi.json`.

Every refusal is a JSON object `{"error": {"code": …, "message": …}}`. What the client sent is never repeated in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

MAX_BODY_BYTES = 16_384
"""A link token is below 1 KB; nothing else is sent to this API."""
BODY_TIMEOUT_S = 10
"""For a body of 16 KB this is a link of 13 kbit/s."""

RefusalCode = Literal[
    "link_expired", "link_invalid", "session_expired", "session_invalid", "bad_request", "too_large", "rate_limited",
    "not_found", "method_not_allowed", "unavailable", "internal",
]  # fmt: skip

STATUS: dict[RefusalCode, int] = {
    "link_expired": 410,
    "link_invalid": 403,
    "session_expired": 401,
    "session_invalid": 401,
    "bad_request": 400,
    "too_large": 413,
    "rate_limited": 429,
    "not_found": 404,
    "method_not_allowed": 405,
    "unavailable": 503,
    "internal": 500,
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Model(BaseModel):
    """Base of all bodies: unknown fields are an error and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ErrorBody(Model):
    """Why a request was refused. `message` is for developers, in English; pages choose their words by `code`."""

    code: RefusalCode
    message: str


class ErrorAnswer(Model):
    """The body of every answer with a status of 400 or more."""

    error: ErrorBody


class Refused(Exception):  # noqa: N818 - it is an answer, not a failure of ours
    """The request is refused for a reason with a name."""

    def __init__(self, code: RefusalCode, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(code)
        self.code: RefusalCode = code
        self.message = message
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation. `refusals` are those of its own; what any request may get is added in the description."""

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    summary: str
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    """None: not JSON of a fixed shape; `media_type` says what."""
    refusals: tuple[RefusalCode, ...] = ()
    media_type: str = "application/json"
    other_answers: tuple[tuple[int, type[BaseModel]], ...] = ()
    """Statuses besides 200 that are no refusals, and their bodies."""
    bearer: bool = False
    """Whether it needs `Authorization: Bearer <session>`."""


Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: web.Request, model: type[Body]) -> Body:
    """Parse the JSON body. Raises Refused: `too_large`, or `bad_request` with the names of the bad fields."""
    if request.content_type != "application/json":
        # Also what keeps other origins out: they cannot send this type without asking first.
        raise Refused("bad_request", "the body must be application/json")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise Refused("too_large", f"the body must be at most {MAX_BODY_BYTES} bytes")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused("too_large", f"the body must be at most {MAX_BODY_BYTES} bytes") from None
    except TimeoutError:
        raise Refused("bad_request", f"the body did not arrive within {BODY_TIMEOUT_S} s") from None
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        known = set(model.model_fields)
        named = {str(problem["loc"][0]) for problem in error.errors(include_input=False) if problem["loc"]}
        fields = ", ".join(sorted(named & known)) or "no JSON object with exactly the fields of this request"
        raise Refused("bad_request", f"bad body: {fields}") from None


def json_answer(answer: BaseModel, status: int = 200) -> web.Response:
    """The model as JSON. It is for this client at this moment, so nobody keeps it."""
    return web.Response(
        text=answer.model_dump_json(), status=status, content_type="application/json", charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip


def refusal(refused: Refused) -> web.Response:
    """The answer that tells of a refusal."""
    answer = json_answer(ErrorAnswer(error=ErrorBody(code=refused.code, message=refused.message)), STATUS[refused.code])
    if refused.retry_after_s is not None:
        answer.headers["Retry-After"] = str(max(1, round(refused.retry_after_s)))
    if STATUS[refused.code] == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def add_routes(app: web.Application, endpoints: list[Endpoint]) -> None:
    """Serve the endpoints (and HEAD wherever there is GET)."""
    for endpoint in endpoints:
        if endpoint.method == "GET":
            app.router.add_get(endpoint.path, endpoint.handler)
        else:
            app.router.add_post(endpoint.path, endpoint.handler)
