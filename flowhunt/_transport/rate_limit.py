"""The rate-limit gate: after a 429, no thread sends with that credential until the wait is over."""

from __future__ import annotations

from collections.abc import Mapping

from flowhunt._transport.headers import credential_hash


class RateLimitGate(dict[int, float]):
    """When each credential may send its next request, by the hash of the credential."""

    def close_until(self, end: float, headers: Mapping[str, str]) -> None:
        """Let no call with the credential in these headers pass before ``end``."""
        credential = credential_hash(headers)
        self[credential] = max(end, self.get(credential, end))

    def remaining(self, headers: Mapping[str, str], now: float) -> float:
        """The seconds that a call with these headers has to wait."""
        for other, end in [*self.items()]:
            if end <= now:
                self.pop(other, None)
        return max(0.0, self.get(credential_hash(headers), now) - now)
