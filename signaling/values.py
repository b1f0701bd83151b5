"""Reading what Redis gives back: everything is text, and what is missing is the empty text."""

from __future__ import annotations


def whole(value: object) -> int:
    """A whole number.

    Raises:
        ValueError: when it is not one.
    """
    if isinstance(value, int):
        return value
    return int(float(str(value)))


def whole_or_none(value: object) -> int | None:
    """A whole number, or None when there is none."""
    return None if value in (None, "") else whole(value)


def pairs(flat: object) -> dict[str, str]:
    """What HGETALL gives inside a script: field, value, field, value, …"""
    items = flat if isinstance(flat, list) else []
    return dict(zip(items[::2], items[1::2], strict=True))
