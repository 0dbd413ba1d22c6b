"""``since`` is included, ``until`` is not, and a date is the midnight of its day."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

import flowhunt
import flowhunt.history
from flowhunt.history import (
    iter_credit_transactions,
    iter_daily_credit_transactions,
    plan_credit_transactions,
    reconcile,
)
from flowhunt.history.arrow import iter_transaction_batches, read_sums, read_window
from test_history_hostile import api_of
from wrong_service import WORKSPACE, Search, WrongService, rows_at

MIDNIGHTS = [datetime(2026, month, 1) for month in (6, 7, 8)]
ROWS = rows_at(
    midnight + timedelta(microseconds=number) for midnight in MIDNIGHTS for number in (-1, 0, 1)
)
MONTHS = [
    (date(2026, 6, 1), date(2026, 7, 1)),
    ("2026-06-01", "2026-07-01"),
    (datetime(2026, 6, 1), datetime(2026, 7, 1)),
    ("2026-06-01T00:00:00", "2026-07-01T00:00:00"),
]


def counts(api: flowhunt.CreditsApi, since: Any, until: Any) -> dict[str, int]:
    """How many rows each way of reading finds."""
    period = {"since": since, "until": until}
    plan = plan_credit_transactions(api, WORKSPACE, since, until)
    found = reconcile(api, WORKSPACE, **period)
    sums: Any = read_sums(api, WORKSPACE, since, until)
    return {
        "models": len(list(iter_credit_transactions(api, WORKSPACE, **period))),
        "reconciled": sum(tally.rows for tally in found.read.values()),
        "sums": sum(row.cnt for row in iter_daily_credit_transactions(api, WORKSPACE, **period)),
        "sums as a table": sum(sums["cnt"].to_pylist()),
        "columns": sum(b.num_rows for b in iter_transaction_batches(api, WORKSPACE, since, until)),
        "plan": plan.rows,
        "windows": sum(read_window(api, WORKSPACE, window).num_rows for window in plan.windows),
    }


@pytest.mark.parametrize(("since", "until"), MONTHS, ids=["date", "text", "datetime", "ISO 8601"])
@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
def test_a_month_has_its_first_and_last_microsecond_however_it_is_asked_for(
    bounds: Any, since: Any, until: Any
) -> None:
    with WrongService(ROWS, search=Search(bounds=bounds)) as service, api_of(service) as api:
        found = counts(api, since, until)
    assert set(found.values()) == {3}, found


def test_periods_that_share_a_bound_have_each_row_once() -> None:
    bounds = ["2026-05-01", "2026-06-01", date(2026, 7, 1), datetime(2026, 8, 1), "2026-09-01"]
    with WrongService(ROWS) as service, api_of(service) as api:
        found = [counts(api, *each) for each in pairwise(bounds)]
    for way in found[0]:
        assert [each[way] for each in found] == [1, 3, 3, 2], way


def test_the_fields_of_a_request_are_inclusive_beside_since_and_until() -> None:
    with WrongService(ROWS) as service, api_of(service) as api:
        rows_to: dict[str, Any] = {"created_at_to": datetime(2026, 7, 1)}
        rows = list(iter_credit_transactions(api, WORKSPACE, rows_to, since="2026-06-01"))
        assert len(rows) == 4
        asked: dict[str, Any] = {
            "created_at_from": date(2026, 6, 30),
            "created_at_to": date(2026, 6, 30),
        }
        rows = list(iter_credit_transactions(api, WORKSPACE, asked, until="2026-07-01"))
        assert [row.created_at for row in rows] == [MIDNIGHTS[1] - timedelta(microseconds=1)]


@pytest.mark.parametrize(
    "period",
    [
        {"since": "2026-06-01", "until": "2026-06-01"},
        {"since": date(2026, 6, 2), "until": "2026-06-01"},
        {"until": "0001-01-01"},
        {"since": "june"},
        {"until": 20260601},
    ],
)
def test_a_period_without_time_is_refused_before_anything_is_sent(period: Any) -> None:
    reads: list[Any] = [
        iter_credit_transactions,
        iter_daily_credit_transactions,
        reconcile,
        iter_transaction_batches,
        read_sums,
    ]
    with WrongService(ROWS) as service, api_of(service) as api:
        for read in reads:
            with pytest.raises(flowhunt.ApiValueError, match=r"no time since|must be a timestamp"):
                read(api, WORKSPACE, **period)
        assert service.requests == []


def test_the_module_lists_its_public_names_alone() -> None:
    assert dir(flowhunt.history) == sorted(flowhunt.history.__all__)


def test_history_imported_under_a_frozen_clock_reads_and_plans_after_it() -> None:
    code = f"""
import freezegun
with freezegun.freeze_time("2020-01-01"):
    from flowhunt.history import iter_credit_transactions, plan_credit_transactions
import flowhunt
from flowhunt.history.arrow import iter_transaction_batches  # pyarrow fails under a frozen clock
configuration = flowhunt.Configuration(host={{url!r}}, api_key="key", trust_env=False)
with flowhunt.ApiClient(configuration) as client:
    api = flowhunt.CreditsApi(client)
    plan = plan_credit_transactions(api, {WORKSPACE!r}, "2026-06-01", "2026-07-01", zone="UTC")
    plan = type(plan).model_validate_json(plan.model_dump_json())
    rows = list(iter_credit_transactions(api, {WORKSPACE!r}, since="2026-06-01"))
    (batch,) = iter_transaction_batches(api, {WORKSPACE!r}, "2026-06-01", zone="Europe/Prague")
    print(plan.rows, len(rows), batch.num_rows, plan.since)
"""
    with WrongService(ROWS) as service:
        text = code.replace("{url!r}", repr(service.url))
        found = subprocess.run(
            [sys.executable, "-c", text],
            env=os.environ | {"PYTHONWARNINGS": "error"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (found.stdout, found.stderr) == ("3 8 8 2026-06-01 00:00:00\n", "")
