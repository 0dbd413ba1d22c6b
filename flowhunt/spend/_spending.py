"""Spending: the questions about the spending of a history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta, tzinfo
from threading import Lock
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from flowhunt._tables.display import quantity
from flowhunt.credits import UNITS_PER_CREDIT
from flowhunt.exceptions import ApiTypeError, ApiValueError
from flowhunt.spend._arguments import (
    calendar_errors,
    checked_choice,
    checked_count,
    checked_factor,
    checked_units,
)
from flowhunt.spend._database import TRANSACTIONS, open_database, query, run
from flowhunt.spend._period import Period, Timestamp, Zone, period
from flowhunt.spend._result import Result
from flowhunt.spend._unit import check_unit, credits_text

Key = Literal["type", "context", "user", "workspace"]
BudgetPeriod = Literal["week", "month", "quarter", "year"]


class Spending:
    """What was spent, by day, type, context, user and workspace.

    The constructor reads the relation once. It has the columns of ``flowhunt.frames.transactions``,
    of which only ``created_at`` and ``amount`` are required; or those of ``flowhunt.frames.daily``,
    made with the grouping ``"date"``. A row that is in the relation twice counts twice.

    The API specification does not state ``sign``, ``unit`` and ``zone``. They are assumptions,
    listed in ``assumptions``; ``calibrate`` measures the first two.

    :param relation: the path of a file (``.parquet``, ``.csv``, ``.jsonl``), of a folder of them
        or of a Delta table; a ``deltalake.DeltaTable``; a dataset, table, reader or iterable of
        batches of Arrow; a frame of pandas or polars; a ``flowhunt.frames.Table``
    :param since: the first timestamp; a date is its midnight in ``zone``. The relation is taken to
        be complete from then on. ``None``: from the first row, and its day is partial
    :param until: the timestamp after the last, likewise
    :param workspace_id: only these workspaces; ``None`` for all
    :param sign: 1 if positive amounts are spending, -1 if negative amounts are
    :param unit: how many units of ``amount`` are one credit, a power of ten
    :param zone: the zone of the days, daylight saving included; rows without a UTC offset are UTC
    :raises ApiValueError: an argument cannot be used, a column is missing or has the wrong type, a
        row has no amount or no timestamp, or a day's amounts need more than 64 bits
    :raises ApiTypeError: the relation has no columns
    """

    def __init__(
        self,
        relation: Any,
        since: Timestamp | None = None,
        until: Timestamp | None = None,
        *,
        workspace_id: str | Iterable[str] | None = None,
        sign: int = 1,
        unit: int = UNITS_PER_CREDIT,
        zone: str | tzinfo = "UTC",
    ) -> None:
        if sign not in (1, -1) or isinstance(sign, bool):
            raise ApiValueError(f"sign must be 1 or -1, not {sign!r}")
        check_unit(unit)
        self.sign, self.unit = sign, unit
        self._zone = Zone(zone)
        bounds = [
            None if value is None else self._zone.timestamp(name, value)
            for name, value in (("since", since), ("until", until))
        ]
        if bounds[0] and bounds[1] and bounds[0].timestamp() >= bounds[1].timestamp():
            raise ApiValueError(
                f"there is no time since {since} until {until}: until is the timestamp "
                "after the last"
            )
        self._bounds = bounds
        self._lock = Lock()
        self._database = open_database(relation)
        with calendar_errors():
            self._load(_ids(workspace_id))

    @property
    def zone(self) -> tzinfo:
        """The zone of the days."""
        return self._zone.tzinfo

    @property
    def assumptions(self) -> tuple[str, ...]:
        """The assumptions, in sentences."""
        since, until = self._bounds
        spending = "Positive" if self.sign == 1 else "Negative"
        bounds = [
            f"The history is complete {word} {bound}."
            if bound
            else f"The {edge} day is partial: no {word!r} says that the history has all of it."
            for word, edge, bound in (("since", "first", since), ("until", "last", until))
        ]
        return (
            f"{spending} amounts are spending (sign={self.sign}).",
            f"{self.unit:,} units of an amount are one credit (unit={self.unit}).",
            f"Days are those of {self._zone}; timestamps without a UTC offset are UTC.",
            *bounds,
        )

    def total(self) -> Result:
        """One row: first day, day after the last, spent, returned and transactions of all days."""
        return self._result("FROM flowhunt_total('days')")

    def days(self) -> Result:
        """Each day, also without transactions: spent, returned, transactions, partial."""
        return self._result("FROM days ORDER BY day")

    def weeks(self) -> Result:
        """Each week from Monday, and its change against the week before where both are complete."""
        return self._result("FROM flowhunt_weeks('days')")

    def top(
        self,
        by: Key,
        limit: int = 10,
        *,
        since: date | None = None,
        until: date | None = None,
    ) -> Result:
        """The largest spending: a row a name, with its share of all spending in percent.

        :param by: ``"type"``, ``"context"``, ``"user"`` or ``"workspace"``
        :param limit: how many rows at most; a note states the spending of all others
        :param since: the first day; ``None`` for all
        :param until: the day after the last
        """
        days = self._days(since, until)
        found = self._query(
            "FROM flowhunt_top('spending', $key, $since, $until)",
            key=checked_choice("by", by, Key),
            **days,
        )
        return self._largest(found, limit)

    def changes(
        self, by: Key, since: date, until: date | None = None, *, limit: int = 10
    ) -> Result:
        """The largest changes against the same number of days before: why a week jumped.

        :param by: as in ``top``
        :param since: the first day
        :param until: the day after the last; ``None`` for a week
        :param limit: how many rows at most
        """
        first = self._zone.timestamp("since", since).date()
        with calendar_errors():
            days = self._days(first, first + timedelta(days=7) if until is None else until)
            before = days["since"] - (days["until"] - days["since"])
        found = self._query(
            "FROM flowhunt_changes('spending', $key, $before, $since, $until)",
            key=checked_choice("by", by, Key),
            before=before,
            **days,
        )
        return self._largest(found, limit, self._incomplete(before, days["until"]))

    def odd_days(self, *, weeks: int = 8, least: int = 6, deviations: float = 5.0) -> Result:
        """Days that spent far more or less than the same weekday usually does.

        The usual is the median of the same weekday in the weeks before (the lower of two middle
        values). A day is odd if it is off by more than ``deviations`` times 1.4826 times the median
        absolute deviation, and by more than half of the usual. Partial days and days with too
        little history are not judged; a note states how many.

        :param weeks: how many weeks before a day are compared
        :param least: how many of these weeks are required
        :param deviations: how many robust standard deviations make a day odd
        """
        judged = self._judged(weeks, least, deviations)
        verdicts = judged.column("verdict").to_pylist()
        notes = [
            f"{count:,} of {judged.num_rows:,} days are not judged: {reason}"
            for reason in ("too little history", "partial")
            if (count := verdicts.count(reason))
        ]
        odd = judged.filter(pc.field("verdict") == "odd").drop_columns(["verdict"])
        return Result(odd, self.unit, notes)

    def runway(self, balance: int, *, days: int = 28) -> Result:
        """How many days a balance lasts, at the pace of the last complete days.

        The range is from the busiest to the quietest 7 days in a row among them. Null means no end
        in sight, or too little history, as ``note`` states.

        :param balance: in the unit of the amounts
        :param days: how many of the last complete days are used
        """
        return self._result(
            "FROM flowhunt_runway('days', $balance, $recent_days)",
            balance=checked_units("balance", balance),
            recent_days=checked_count("days", days),
        )

    def budget(
        self,
        budget: int,
        period: BudgetPeriod = "month",
        *,
        on: date | None = None,
        days: int = 28,
    ) -> Result:
        """The share of a budget spent, and the projected total at the pace of the last days.

        :param budget: in the unit of the amounts
        :param period: ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``
        :param on: a day of the period; ``None`` for the last day of the history
        :param days: how many of the last complete days are used
        """
        budget = checked_units("budget", budget)
        if budget < 1:
            raise ApiValueError(f"budget must be a positive amount, not {budget!r}")
        found = self._result(
            "FROM flowhunt_budget('days', $budget, $period, $on_day, $recent_days)",
            budget=budget,
            period=checked_choice("period", period, BudgetPeriod),
            on_day=self._day("on", on) or self._period.end_day - timedelta(days=1),
            recent_days=checked_count("days", days),
        )
        with calendar_errors():
            found.to_dicts()  # its end may be in the year 10000
        return found

    def close(self) -> None:
        """Free the memory of the rows."""
        self._database.close()

    def __enter__(self) -> Spending:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        (total,) = self.total().to_dicts()
        return (
            f"<Spending: {credits_text(total['spent'], self.unit)} credits in "
            f"{quantity(total['transactions'], 'transaction')}, "
            f"since {self._period.first_day} until {self._period.end_day}>"
        )

    # Loading

    def _load(self, ids: list[str] | None) -> None:
        since, until = self._bounds
        run(
            self._database,
            f"CREATE TABLE spending AS FROM flowhunt_spending("
            f"'{TRANSACTIONS}', $sign, $zone, $shift, $since, $until, $ids)",
            {
                "sign": self.sign,
                "zone": self._zone.name,
                "shift": self._zone.shift,
                "since": since,
                "until": until,
                "ids": ids,
            },
        )
        (rows,) = self._query(
            "SELECT min(day) AS first, max(day) AS last FROM spending"
        ).to_pylist()
        known = (rows["first"], rows["last"]) if rows["first"] else None
        self._period: Period = period(self._zone, since, until, known)
        run(
            self._database,
            "CREATE TABLE days AS FROM flowhunt_days("
            "'spending', $first_day, $end_day, $complete_since, $complete_until)",
            vars(self._period),
        )

    # Queries

    def _days(self, since: date | None, until: date | None) -> dict[str, date]:
        days = {
            "since": self._day("since", since) or self._period.first_day,
            "until": self._day("until", until) or self._period.end_day,
        }
        if since and until and days["since"] >= days["until"]:
            raise ApiValueError(
                f"there is no day since {since} until {until}: until is the day after the last"
            )
        return days

    def _day(self, name: str, value: date | None) -> date | None:
        return None if value is None else self._zone.timestamp(name, value).date()

    def _incomplete(self, since: date, until: date) -> list[str]:
        complete_since, complete_until = self._period.complete_since, self._period.complete_until
        if complete_since <= since and until <= complete_until:
            return []
        compared = f"{since} until {until} is compared"
        return [
            f"partial: {compared}, and only {complete_since} until {complete_until} is complete"
        ]

    def _judged(self, weeks: int, least: int, deviations: float) -> Any:
        return self._query(
            "FROM flowhunt_odd_days('days', $weeks, $least, $k)",
            weeks=checked_count("weeks", weeks),
            least=checked_count("least", least),
            k=checked_factor("deviations", deviations),
        )

    def _largest(self, found: Any, limit: int, notes: Sequence[str] = ()) -> Result:
        """The first rows, and a note of the spending of all others."""
        others = found.slice(checked_count("limit", limit))
        if others.num_rows:
            spent = sum(others.column("spent").to_pylist())
            credits = credits_text(spent, self.unit)
            notes = [*notes, f"{others.num_rows:,} more rows spent {credits} credits"]
        return Result(found.slice(0, limit), self.unit, notes)

    def _result(self, sql: str, **parameters: Any) -> Result:
        return Result(self._query(sql, **parameters), self.unit)

    def _query(self, sql: str, **parameters: Any) -> pa.Table:
        with self._lock:
            return query(self._database, sql, parameters)


def _ids(workspace_id: str | Iterable[str] | None) -> list[str] | None:
    if workspace_id is None:
        return None
    ids = [workspace_id] if isinstance(workspace_id, str) else workspace_id
    if not isinstance(ids, Iterable):
        raise ApiTypeError(f"workspace_id must be one ID or several, not {workspace_id!r}")
    return list(ids)
