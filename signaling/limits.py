"""How often something may happen."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """A token bucket: `burst` at once, `per_s` sustained. Times are monotonic seconds."""

    per_s: float
    burst: float
    left: float
    at_s: float

    @classmethod
    def full(cls, per_s: float, burst: float, now_s: float) -> Bucket:
        """A bucket nothing has been taken from."""
        return cls(per_s, burst, burst, now_s)

    def take(self, now_s: float) -> float:
        """Take one: 0 when it may happen, else the seconds until it may."""
        self.left = min(self.burst, self.left + max(0.0, now_s - self.at_s) * self.per_s)
        self.at_s = now_s
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.per_s


class Buckets:
    """A bucket per key; of at most `kept` keys, the one unused longest is forgotten first."""

    def __init__(self, per_s: float, burst: float, kept: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._kept = kept
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, key: str, now_s: float) -> float:
        """Take one from the bucket of `key`: 0 when it may happen, else the seconds until it may."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket.full(self._per_s, self._burst, now_s)
            if len(self._buckets) > self._kept:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket.take(now_s)
