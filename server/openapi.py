"""`/api/openapi.json`: the HTTP API described from the endpoints that serve it (OpenAPI 3.1)."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server.api import STATUS, Endpoint, ErrorAnswer, RefusalCode

ANY_REQUEST: tuple[RefusalCode, ...] = ("rate_limited", "internal")
ANY_BODY: tuple[RefusalCode, ...] = ("bad_request", "too_large")
ANY_BEARER: tuple[RefusalCode, ...] = ("session_expired", "session_invalid")

_PLACE = re.compile(r"\{(\w+)\}")
"""What stands for itself in a path."""

_REF = "#/components/schemas/{model}"


def describe(endpoints: list[Endpoint], version: str) -> dict[str, Any]:
    """The document."""
    models = {model for endpoint in endpoints for model in _models(endpoint)}
    ordered = sorted(models | {ErrorAnswer}, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Puente",
            "version": version,
            "description": "Sign-in with a link, tickets for the live connection, reports on calls, and health. "
            "Live events are described in docs/protocol.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    codes = (
        *endpoint.refusals,
        *(ANY_BODY if endpoint.body else ()),
        *(ANY_BEARER if endpoint.bearer else ()),
        *ANY_REQUEST,
    )
    answer: dict[str, Any] = {endpoint.media_type: {"schema": _schema(endpoint.answer)}}
    places = _PLACE.findall(endpoint.path)
    words = _PLACE.sub("one", endpoint.path).strip("/").replace(".", "/").split("/")
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": "_".join((endpoint.method.lower(), *words)),
        "responses": {"200": {"description": "Done", "content": answer}, **_refusals(codes), **_others(endpoint)},
    }
    if places:
        operation["parameters"] = [
            {"name": place, "in": "path", "required": True, "schema": {"type": "string"}} for place in places
        ]
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema(endpoint.body)}},
        }
    if endpoint.bearer:
        operation["security"] = [{"session": []}]
    return operation


def _models(endpoint: Endpoint) -> list[type[BaseModel]]:
    named = (endpoint.body, endpoint.answer, *(model for _, model in endpoint.other_answers))
    return [model for model in named if model is not None]


def _others(endpoint: Endpoint) -> dict[str, Any]:
    return {
        str(status): {"description": "Not now", "content": {"application/json": {"schema": _schema(model)}}}
        for status, model in endpoint.other_answers
    }


def _refusals(codes: tuple[RefusalCode, ...]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(STATUS[code], []).append(code)
    content = {"application/json": {"schema": _schema(ErrorAnswer)}}
    return {
        str(status): {"description": ", ".join(f"`{name}`" for name in names), "content": content}
        for status, names in sorted(by_status.items())
    }


def _schema(model: type[BaseModel] | None) -> dict[str, Any]:
    return {} if model is None else {"$ref": _REF.format(model=model.__name__)}
