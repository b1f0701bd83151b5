"""The one exception by which the worker refuses a request of its control API."""

from __future__ import annotations

from media.control import RefusalCode


class Refused(Exception):  # noqa: N818 - it is an answer, not an error of the worker
    """A request cannot be granted; nothing was changed. `detail` never repeats what the caller sent."""

    def __init__(self, code: RefusalCode, detail: str = "") -> None:
        super().__init__(code)
        self.code: RefusalCode = code
        self.detail = detail
