"""The rate-limit gate: after a 429, no thread sends with that credential until the wait is over."""

from __future__ import annotations

from collections.abc import Mapping

from flowhunt._transport.headers import credential_of


class RateLimitGate(dict[int, float]):
    """When each credential may send again, since the service responded with a 429."""

    def hold(self, headers: Mapping[str, str], end: float) -> None:
        """Hold back all calls with the credential in these headers until then."""
        credential = credential_of(headers)
        self[credential] = max(end, self.get(credential, end))

    def remaining(self, headers: Mapping[str, str], now: float) -> float:
        """The seconds that a call with these headers has to wait."""
        for other, end in [*self.items()]:
            if end <= now:
                self.pop(other, None)
        return max(0.0, self.get(credential_of(headers), now) - now)
