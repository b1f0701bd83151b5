"""What all messages of the live protocol are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base: unknown fields are an error, values are not changed after parsing, strings are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
