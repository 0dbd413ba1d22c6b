"""All sums of a workspace, compared with the chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowhunt.history._batch import Key
from flowhunt.history._errors import HistoryError
from flowhunt.history._intervals import Interval, period, touched_periods
from flowhunt.history._planner import Planner
from flowhunt.history._sums import Sums, SumsReader
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.grouping_period import GroupingPeriod


def iter_sums(
    reader: SumsReader,
    interval: Interval,
    grouping: GroupingPeriod,
    page_size: int,
    *,
    newest_first: bool,
) -> Iterator[CreditDailyTransactionResponse]:
    """The sums of the periods that an interval overlaps, in order.

    :raises HistoryError: the chart has an amount without a sum, or there are two sums of one
        period and transaction type
    """
    if not interval.length:
        return
    charted = reader.charted(touched_periods(interval, grouping), grouping)
    intervals = [interval]
    if grouping is GroupingPeriod.DATE:
        planner = Planner(
            lambda time, length: reader.totals(time, length, strict=False),
            page_size,
            by_day=True,
        )
        months = planner.months(interval)
        intervals = [each.cover for each in planner.ranges(interval, months)]
    for time in reversed(intervals) if newest_first else intervals:
        sums = _compared(reader, time, grouping, charted)
        yield from reversed(sums.values()) if newest_first else sums.values()


def _compared(
    reader: SumsReader, interval: Interval, grouping: GroupingPeriod, charted: Mapping[Key, int]
) -> Sums:
    """The sums of some periods, with those of all types that the chart has."""
    time = touched_periods(interval, grouping)
    sums = reader.read(interval, grouping, strict=False)
    if _agree(charted, sums, time, grouping) and not reader.duplicates:
        return sums
    sums = reader.read(interval, grouping)
    for code in sorted({code for _, code in _missing(charted, sums, time, grouping)}):
        sums |= reader.of_type(code).read(interval, grouping)
    # Sums may have changed since the chart was read.
    if _missing(charted, sums, time, grouping):
        charted = reader.charted(time, grouping)
    if missing := _missing(charted, sums, time, grouping):
        lost = ", ".join(f"{first_day} {code}" for first_day, code in missing)
        raise HistoryError(f"the chart has amounts of {lost}, and the sums do not return them")
    for first_day, code in sorted(reader.duplicates & sums.keys()):
        raise HistoryError(f"there are two sums of {first_day} {code}")
    return dict(sorted(sums.items()))


def _agree(
    charted: Mapping[Key, int], sums: Sums, time: Interval, grouping: GroupingPeriod
) -> bool:
    """Whether chart and sums have the same amounts in an interval."""
    summed = {key: row.amount for key, row in sums.items() if row.amount}
    return summed == {
        key: amount
        for key, amount in charted.items()
        if time.contains(period(key[0], grouping).start)
    }


def _missing(
    charted: Mapping[Key, int], sums: Sums, time: Interval, grouping: GroupingPeriod
) -> list[Key]:
    """The periods and types that the chart has in an interval, and the sums lack."""
    return [
        key for key in charted if key not in sums and time.contains(period(key[0], grouping).start)
    ]
