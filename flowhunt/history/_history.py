"""One read of a workspace's transactions: what was asked, checked, and the work there is to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import partial
from itertools import repeat
from typing import Any, Literal, TypeVar

from flowhunt.exceptions import ApiValueError
from flowhunt.history._calls import Calls
from flowhunt.history._errors import CrowdedInstantError, DifferenceError
from flowhunt.history._rows import PAGES_IN_A_BLOCK, Block, Learned, Placed, Reading, RowsReader
from flowhunt.history._spans import ALWAYS, Span, Zone, month_of
from flowhunt.history._sums import SumsReader
from flowhunt.models.credit_daily_transaction_search_request import (
    CreditDailyTransactionSearchRequest,
)
from flowhunt.models.credit_transaction_response import CreditTransactionResponse
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
from flowhunt.models.transaction_type import TransactionType

OnDifference = Literal["raise", "warn", "ignore"]
Request = TypeVar("Request", CreditTransactionSearchRequest, CreditDailyTransactionSearchRequest)

_BEYOND_THE_SUMS = ("transaction_id", "context_id", "context_desc")


@dataclass(frozen=True)
class Part:
    """Some transactions in order, and what is wrong with them."""

    placed: list[Placed]
    error: DifferenceError | None = None

    @classmethod
    def of(cls, reading: Reading, span: Span, *, newest_first: bool = False) -> Part:
        """What was read, in order and without what is outside a span."""
        inside = [placed for placed in reading.rows.values() if span.holds(placed.tick)]
        inside.sort(key=lambda each: (each.tick, each.row.transaction_id), reverse=newest_first)
        return cls(inside, _error(reading))

    @property
    def rows(self) -> list[CreditTransactionResponse]:
        """The transactions."""
        return [placed.row for placed in self.placed]

    @property
    def months(self) -> dict[date, list[CreditTransactionResponse]]:
        """The transactions of each month, by its first day."""
        months: dict[date, list[CreditTransactionResponse]] = {}
        for tick, row in self.placed:
            months.setdefault(month_of(tick), []).append(row)
        return months


def _error(reading: Reading) -> DifferenceError | None:
    if reading.crowd:
        return CrowdedInstantError(reading.differences, *reading.crowd)
    return DifferenceError(reading.differences) if reading.differences else None


class History:
    """One read of transactions, with all it needs."""

    def __init__(
        self,
        calls: Calls,
        request: CreditTransactionSearchRequest | Mapping[str, Any] | None,
        page_size: int,
        zone: tzinfo,
        *,
        on_difference: OnDifference,
        newest_first: bool = False,
    ) -> None:
        asked = checked(CreditTransactionSearchRequest, request, page_size, zone)
        if on_difference not in ("raise", "warn", "ignore"):
            raise ApiValueError(f"on_difference is raise, warn or ignore, not {on_difference!r}")
        self.filters = {
            name: value for name in _BEYOND_THE_SUMS if (value := getattr(asked, name)) is not None
        }
        self._verify = on_difference != "ignore"
        self._newest_first = newest_first
        self._zone = Zone(zone, has_offset(asked))
        self._span = span_of(asked, self._zone)
        self._rows = rows_reader(
            calls, self._zone, asked.transaction_type, self._span, page_size, Learned()
        )

    def tasks(self) -> Iterator[Callable[[], Part | None]]:
        """What to do for the parts, in order; with filters one by one, until there is none."""
        if self.filters:
            return repeat(partial(next, self._filtered(), None))
        blocks = self._rows.blocks(newest_first=self._newest_first)
        return (partial(self._proven, block) for block in blocks)

    def _proven(self, block: Block) -> Part:
        return self._part(self._rows.proven(block, verify=self._verify))

    def _filtered(self) -> Iterator[Part]:
        if (whole := self._rows.whole()).length:
            yield from map(
                self._part,
                self._rows.filtered(whole, self.filters, newest_first=self._newest_first),
            )

    def _part(self, reading: Reading) -> Part:
        return Part.of(reading, self._span, newest_first=self._newest_first)


def rows_reader(
    calls: Calls,
    zone: Zone,
    transaction_type: TransactionType | None,
    span: Span,
    page_size: int,
    learned: Learned,
) -> RowsReader:
    """A reader of the transactions in a span."""
    # The sums may or may not count what is on a bound, so the bounds are just beyond.
    bounds = (span.start - 1, span.end)
    sums = SumsReader(calls, zone, bounds, transaction_type, PAGES_IN_A_BLOCK * page_size)
    return RowsReader(calls, zone, sums, transaction_type, span, page_size, learned)


def checked(
    kind: type[Request],
    request: Request | Mapping[str, Any] | None,
    page_size: int,
    zone: tzinfo,
) -> Request:
    """The request, if it can be read whole.

    :raises ApiValueError: it cannot
    """
    check_count("page_size", page_size)
    if not isinstance(zone, tzinfo) or zone.utcoffset(None) is None:
        raise ApiValueError(
            "zone must be of one UTC offset, such as datetime.timezone(timedelta(hours=1)), "
            f"not {zone!r}"
        )
    asked = kind.model_validate({} if request is None else request)
    if asked.pagination is not None or asked.limit not in (None, kind().limit):
        raise ApiValueError("all is read, so limit and pagination have no place; see page_size")
    return asked


def check_count(name: str, value: int) -> None:
    """Whether a setting is a positive integer.

    :raises ApiValueError: it is not
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ApiValueError(f"{name} must be a positive integer, not {value!r}")


def has_offset(
    asked: CreditTransactionSearchRequest | CreditDailyTransactionSearchRequest,
) -> bool:
    """Whether bounds are given with a UTC offset."""
    bounds = (asked.created_at_from, asked.created_at_to)
    return any(bound is not None and bound.utcoffset() is not None for bound in bounds)


def span_of(
    asked: CreditTransactionSearchRequest | CreditDailyTransactionSearchRequest, zone: Zone
) -> Span:
    """What the caller asked for, both bounds in it."""
    first, last = asked.created_at_from, asked.created_at_to
    start = zone.tick(first) if first else ALWAYS.start
    end = zone.tick(last) + 1 if last else ALWAYS.end
    return Span(start, max(start, end))
