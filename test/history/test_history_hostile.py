"""Every transaction is returned, or an error, whatever one endpoint does wrong.

The service is not the sandbox: it shares no code and no assumption with the client.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count, product
from math import asin
from typing import Any

import pytest

import flowhunt
from flowhunt.history import (
    CrowdedInstantError,
    DifferenceError,
    DifferenceWarning,
    HistoryError,
    WorkspaceMismatchError,
    iter_credit_transactions,
    plan_credit_transactions,
    reconcile,
)
from flowhunt.history.arrow import iter_transaction_batches, read_window
from turns import in_turn
from wrong_service import (
    CHART,
    FOREIGN_WORKSPACE,
    SEARCH,
    START,
    SUMS,
    WORKSPACE,
    Chart,
    Request,
    Row,
    Search,
    Sums,
    WrongService,
    bursts,
    evenly,
    one_instant,
    rows_at,
)

LAST_DAY = START + timedelta(days=59)
HISTORY = evenly(524, 60)
REFUND = [
    row | {"amount": amount}
    for amount, row in zip(
        (50, -50),
        rows_at([START + timedelta(days=100, hours=1)] * 2, prefix="refund-", types=("G",)),
        strict=True,
    )
]


@dataclass(frozen=True)
class Case:
    """What a service does wrong, and the expected outcome.

    :ivar reported: the days on which transactions and sums differ in the end, if any
    """

    rows: list[Row] = field(default_factory=lambda: HISTORY)
    service: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    reported: tuple[str, ...] = ()
    page_size: int = 100

    @property
    def wanted(self) -> list[str]:
        since = datetime.fromisoformat(self.request.get("since", "0001-01-01"))
        until = datetime.fromisoformat(self.request.get("until", "9999-12-31"))
        inside = [
            row for row in self.rows if since <= datetime.fromisoformat(row["created_at"]) < until
        ]
        inside.sort(key=lambda row: (row["created_at"], row["transaction_id"]))
        return [row["transaction_id"] for row in inside]


def of_one_id(rows: list[Row], first: int, second: int) -> list[Row]:
    """Rows, two of which have the same ID and are not the same."""
    same = rows[second] | {"transaction_id": rows[first]["transaction_id"]}
    return [*rows[:second], same, *rows[second + 1 :]]


def only_on(nth: int, wrong: Any, right: Any) -> Callable[[Request], Any]:
    return lambda request: wrong if request.nth == nth else right


def capped(cap: Callable[[int], int]) -> Callable[[Request], Search]:
    """A search that returns at most so many rows, by the number of the search."""
    return lambda request: Search(max_limit=cap(request.nth))


NOON = {"since": "2025-02-03T12:00:00", "until": "2025-03-20"}
THE_THIRD = {"since": "2025-02-03", "until": "2025-04-03"}
A_WINDOW = {"since": "2025-02-01", "until": "2025-03-10"}

WITNESSES: dict[str, Case] = {
    "right": Case(),
    "the chart has the 12 newest periods": Case(
        service={"chart": Chart(max_limit=12, keep="newest_first")}
    ),
    "the chart has the 7 oldest periods": Case(
        service={"chart": Chart(max_limit=7, keep="oldest_first")}
    ),
    "the chart begins 30 days ago": Case(
        service={"chart": Chart(default_from=LAST_DAY - timedelta(days=30))}
    ),
    "the sums begin 30 days ago": Case(
        service={"sums": Sums(default_from=LAST_DAY - timedelta(days=30))}
    ),
    "the first chart is empty": Case(service={"chart": only_on(1, Chart(empty=True), Chart())}),
    "the second chart is empty": Case(service={"chart": only_on(2, Chart(empty=True), Chart())}),
    "the first sums are empty": Case(service={"sums": only_on(1, Sums(empty=True), Sums())}),
    "the second sums are empty": Case(service={"sums": only_on(2, Sums(empty=True), Sums())}),
    "the third sums are empty": Case(service={"sums": only_on(3, Sums(empty=True), Sums())}),
    "the chart leaves out the first day": Case(service={"chart": Chart(left_out=(0,))}),
    "the chart leaves out the last day": Case(service={"chart": Chart(left_out=(-1,))}),
    "the chart leaves out every second period": Case(
        service={"chart": Chart(left_out=range(0, 60, 2))}
    ),
    "the chart leaves out what adds up to 0": Case(
        rows=[*HISTORY, *REFUND], service={"chart": Chart(net_zero_left_out=True)}
    ),
    "the chart is empty": Case(service={"chart": Chart(empty=True)}),
    "the chart is refused": Case(service={"chart": Chart(status=404)}),
    "chart and sums do not know the last day": Case(
        service={"chart": Chart(built_to=LAST_DAY), "sums": Sums(built_to=LAST_DAY)},
        reported=("2025-03-30",),
    ),
    "the sums are kept by whole days, and the request begins at noon": Case(
        service={"sums": Sums(kept_by="date"), "chart": Chart(kept_by="date")}, request=NOON
    ),
    "the sums are kept by whole weeks, and the request begins at noon": Case(
        service={"chart": Chart(kept_by="week")}, request=NOON
    ),
    "the sums are kept by whole months, and the request begins on the 3rd": Case(
        service={"chart": Chart(kept_by="month")}, request=THE_THIRD
    ),
    "the sums of touched days are whole": Case(
        service={
            "sums": Sums(kept_by="date", edges="touched"),
            "chart": Chart(kept_by="date", edges="touched"),
        },
        request=NOON,
    ),
    "the chart has every type in every period, with 0": Case(
        service={"chart": Chart(zero_filled=True, empty_periods=3)}
    ),
    "chart and sums have every type, with 0": Case(
        service={"chart": Chart(zero_filled=True), "sums": Sums(zero_filled=True)}
    ),
    "the chart has empty periods around the history": Case(
        service={"chart": Chart(empty_periods=40)}, request=A_WINDOW
    ),
    "one sum counts a million": Case(
        service={"sums": Sums(counts={("2025-02-01", "G"): 10**6})}, reported=("2025-02-01",)
    ),
    "one sum counts 10^12": Case(
        service={"sums": Sums(counts={("2025-02-01", "G"): 10**12})}, reported=("2025-02-01",)
    ),
    "one sum counts 10^30": Case(
        service={"sums": Sums(counts={("2025-02-01", "G"): 10**30})}, reported=("2025-02-01",)
    ),
    "one sum counts less than nothing": Case(
        service={"sums": Sums(counts={("2025-02-01", "G"): -7})}, reported=("2025-02-01",)
    ),
    "one sum has another amount": Case(
        service={"sums": Sums(amounts={("2025-02-01", "G"): 999})}, reported=("2025-02-01",)
    ),
    "chart dates have a time": Case(
        service={"chart": Chart(date_text=lambda day: f"{day}T00:00:00")}
    ),
    "chart dates are none": Case(service={"chart": Chart(date_text=lambda day: "yesterday")}),
    "chart dates are impossible": Case(
        service={"chart": Chart(date_text=lambda day: "2025-02-30")}
    ),
    "chart dates are empty": Case(service={"chart": Chart(date_text=lambda day: "")}),
    "sums have a time of day": Case(service={"sums": Sums(time_of_day=timedelta(hours=7))}),
    "sums are capped, newest": Case(service={"sums": Sums(max_limit=12, keep="newest_first")}),
    "sums are capped, oldest": Case(service={"sums": Sums(max_limit=7, keep="oldest_first")}),
    "sums come twice": Case(service={"sums": Sums(times=2)}),
    "a limit above 100 is a 422 that names the largest": Case(
        service={"search": Search(refuse_above=100), "sums": Sums(refuse_above=100)}, page_size=1000
    ),
    "a limit above 100 is a 422 without a number": Case(
        service={
            "search": Search(refuse_above=100, refusal="no_number"),
            "sums": Sums(refuse_above=100, refusal="no_number"),
        },
        page_size=1000,
    ),
    "a limit above 30 is a text": Case(
        service={
            "search": Search(refuse_above=30, refusal="text"),
            "sums": Sums(refuse_above=30, refusal="text"),
        }
    ),
    "a limit above 30 is a 400": Case(
        service={
            "search": Search(refuse_above=30, refusal="bad_request"),
            "sums": Sums(refuse_above=30, refusal="bad_request"),
        }
    ),
    "each row comes twice, beyond the limit": Case(service={"search": Search(times=2)}),
    "each row comes three times, beyond a cap": Case(
        service={"search": Search(times=3, max_limit=37)}
    ),
    "rows beyond the window come too": Case(service={"search": Search(beyond=3)}),
    "the cap falls in the middle": Case(
        service={"search": capped(lambda nth: 100 if nth < 6 else 37)}
    ),
    "the cap falls twice": Case(service={"search": capped(lambda nth: max(10, 100 // nth))}),
    "the cap rises": Case(service={"search": capped(lambda nth: 20 if nth < 9 else 100)}),
    "the second search is empty": Case(
        service={"search": only_on(2, Search(empty=True), Search())}
    ),
    "the fourth search is empty": Case(
        service={"search": only_on(4, Search(empty=True), Search())}
    ),
    "150 rows of one type in each of two instants, and 1,000 come at once if asked for": Case(
        rows=[
            *HISTORY,
            *one_instant(150, START + timedelta(days=7), types=("G",)),
            *one_instant(150, START + timedelta(days=19), types=("G",), prefix="later-"),
        ]
    ),
    "the type is ignored": Case(service={"search": Search(ignored=("transaction_type",))}),
    "bounds are exclusive": Case(
        service={s: k(bounds="exclusive") for s, k in (("search", Search), ("sums", Sums))}
    ),
    "timestamps are mixed": Case(service={"search": Search(timestamps="mixed")}),
    "a burst": Case(rows=[*HISTORY, *bursts(3, 400, every=timedelta(days=9))]),
    "a row a year": Case(rows=rows_at(datetime(year, 5, 5) for year in range(1990, 2026))),
    "one ID on two days, few rows": Case(rows=of_one_id(evenly(30, 60), 3, 20)),
    "one ID on two days, in two months": Case(rows=of_one_id(HISTORY, 3, 400)),
    "one ID on neighbouring days": Case(rows=of_one_id(HISTORY, 6, 9)),
    "one ID twice in a day": Case(rows=of_one_id(HISTORY, 3, 5)),
    "one ID twice in an instant": Case(
        rows=[*HISTORY, *of_one_id(one_instant(2, START + timedelta(days=7)), 0, 1)]
    ),
    "one row": Case(rows=HISTORY[:1]),
    "no row": Case(rows=[]),
}


@contextmanager
def api_of(service: WrongService) -> Generator[flowhunt.CreditsApi, None, None]:
    configuration = flowhunt.Configuration(host=service.url, api_key="key", trust_env=False)
    with flowhunt.ApiClient(configuration) as client:
        yield flowhunt.CreditsApi(client)


def models(api: flowhunt.CreditsApi, case: Case, **settings: Any) -> Iterator[str]:
    request = {"created_at_from": case.request.get("since")}
    if until := case.request.get("until"):
        request["created_at_to"] = (
            datetime.fromisoformat(until) - timedelta(microseconds=1)
        ).isoformat()
    for row in iter_credit_transactions(
        api, WORKSPACE, request, page_size=case.page_size, **settings
    ):
        yield row.transaction_id


def batches(api: flowhunt.CreditsApi, case: Case, **settings: Any) -> Iterator[str]:
    for batch in iter_transaction_batches(
        api, WORKSPACE, **case.request, page_size=case.page_size, **settings
    ):
        yield from ids_of(batch)


def ids_of(batch: Any) -> list[str]:
    found: list[str] = batch.column("transaction_id").to_pylist()
    return found


READERS: dict[str, Callable[..., Iterator[str]]] = {"models": models, "Arrow": batches}
WAYS = list(product(READERS, (False, True), (1, 8)))
OPPOSITES = [(WAYS[number], WAYS[-1 - number]) for number in range(4)]
"""Pairs of ways that have no value in common."""


@pytest.mark.parametrize(
    ("case", "kind", "newest_first", "workers"), in_turn(WITNESSES, *OPPOSITES)
)
def test_all_rows_are_returned_whatever_one_endpoint_does_wrong(
    case: Case, kind: str, newest_first: bool, workers: int
) -> None:
    with WrongService(case.rows, **case.service) as service, api_of(service) as api:
        read = partial(READERS[kind], api, case, workers=workers, newest_first=newest_first)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DifferenceWarning)
            found = list(read(on_difference="warn"))
        assert found == (case.wanted[::-1] if newest_first else case.wanted)
        reported = " ".join(str(warning.message) for warning in caught)
        assert bool(reported) == bool(case.reported)
        assert all(day in reported for day in case.reported)
        pages = len(case.rows) / min(case.page_size, 100)
        assert len(service.requests) < 100 + 40 * pages


@pytest.mark.parametrize("name", [name for name, case in WITNESSES.items() if case.reported])
def test_a_difference_is_an_error_by_default(name: str) -> None:
    case = WITNESSES[name]
    with WrongService(case.rows, **case.service) as service, api_of(service) as api:
        with pytest.raises(DifferenceError) as raised:
            list(models(api, case))
    days = {difference.day.isoformat() for difference in raised.value.differences}
    assert days == set(case.reported)


@pytest.mark.parametrize(("case", "workers"), in_turn(WITNESSES, [(1,)], [(8,)]))
def test_reconcile_adds_up_all_rows_whatever_one_endpoint_does_wrong(
    case: Case, workers: int
) -> None:
    with WrongService(case.rows, **case.service) as service, api_of(service) as api:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DifferenceWarning)
            found = reconcile(
                api,
                WORKSPACE,
                since=case.request.get("since"),
                until=case.request.get("until"),
                page_size=case.page_size,
                workers=workers,
                on_difference="warn",
            )
    assert sum(tally.rows for tally in found.read.values()) == len(case.wanted)
    assert {difference.day.isoformat() for difference in found.differences} == set(case.reported)
    disputed = {day for day, names in found.verified_by.items() if "sums" not in names}
    cut = {"2025-02-03"} if case.request is NOON else set[str]()
    assert disputed - cut == set(case.reported)
    assert all("rows" in names for names in found.verified_by.values()) or len(case.rows) < 2


@pytest.mark.parametrize("case", WITNESSES.values(), ids=list(WITNESSES))
def test_the_windows_of_a_plan_have_all_rows_whatever_one_endpoint_does_wrong(case: Case) -> None:
    since = case.request.get("since", "1990-01-01")
    until = case.request.get("until", "2026-01-01")
    with WrongService(case.rows, **case.service) as service, api_of(service) as api:
        plan = plan_credit_transactions(api, WORKSPACE, since, until, page_size=case.page_size)
        found: list[str] = []
        reported: set[str] = set()
        for window in plan.windows:
            try:
                batch = read_window(api, WORKSPACE, window, page_size=case.page_size)
            except DifferenceError as error:
                reported.update(difference.day.isoformat() for difference in error.differences)
                batch = read_window(api, WORKSPACE, window, page_size=case.page_size, verify=False)
            found += ids_of(batch)
    assert found == case.wanted
    assert reported == set(case.reported)


def foreign(**wrong: Any) -> dict[str, Any]:
    return {"search": Search(**wrong)}


@pytest.mark.parametrize(
    "service",
    [foreign(foreign_every=1), foreign(foreign_every=7), {"sums": Sums(foreign_every=1)}],
    ids=["all rows", "every seventh row", "all sums"],
)
@pytest.mark.parametrize("kind", READERS)
def test_rows_of_another_workspace_are_an_error_that_names_both(
    service: dict[str, Any], kind: str
) -> None:
    with WrongService(HISTORY, **service) as running, api_of(running) as api:
        for on_difference in ("raise", "warn", "ignore") if "search" in service else ("raise",):
            with pytest.raises(WorkspaceMismatchError) as raised:
                list(READERS[kind](api, Case(), on_difference=on_difference))
            assert (raised.value.workspace_id, raised.value.received) == (
                WORKSPACE,
                FOREIGN_WORKSPACE,
            )
            for name in (WORKSPACE, FOREIGN_WORKSPACE):
                assert repr(name) in str(raised.value)


def test_a_service_that_returns_rows_of_the_key_s_workspace_is_an_error() -> None:
    search, sums = Search(ignore_workspace=True), Sums(ignore_workspace=True)
    with WrongService(HISTORY, search=search, sums=sums) as service, api_of(service) as api:
        with pytest.raises(WorkspaceMismatchError, match="another-workspace"):
            list(iter_credit_transactions(api, "another-workspace"))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("arrives", [2, 3, 5, 8])
def test_a_row_that_arrives_does_not_stand_in_for_one_that_is_withheld(
    kind: str, arrives: int
) -> None:
    """It has the same day, type and amount, so that only reading again can show it."""
    rows = [row | {"amount": 5, "transaction_type": "G"} for row in evenly(240, 9)]
    missing = rows[100]
    twin = missing | {"transaction_id": "twin"}

    def arrive(service: WrongService, request: Request) -> None:
        if request.number == arrives:
            service.add(twin)

    withheld = Search(withheld={str(missing["transaction_id"])})
    with WrongService(rows, search=withheld, before=arrive) as service, api_of(service) as api:
        with pytest.raises(DifferenceError) as raised:
            list(READERS[kind](api, Case(rows)))
    (difference,) = raised.value.differences
    assert difference.summed.rows == difference.read.rows + 1


@pytest.mark.parametrize(
    ("moves", "kind", "page_size"),
    in_turn(
        {"to the end": (5, 140), "to the beginning": (140, 5)},
        [("models", 10), ("Arrow", 100)],
        [("Arrow", 10), ("models", 100)],
    ),
)
def test_a_row_whose_time_changes_meanwhile_is_returned_once_or_is_a_difference(
    moves: tuple[int, int], kind: str, page_size: int
) -> None:
    rows = evenly(150, 60)
    source, target = (rows[number] for number in moves)
    found_out = 0
    for at in 1, 4, 8, 12, 20, 28:

        def move(service: WrongService, request: Request, at: int = at) -> None:
            if request.number == at:
                service.change(source["transaction_id"], created_at=target["created_at"])

        with WrongService(rows, before=move) as service, api_of(service) as api:
            try:
                found = list(READERS[kind](api, Case(rows, page_size=page_size)))
            except DifferenceError as error:
                found_out += 1
                days = {difference.day.isoformat() for difference in error.differences}
                assert days <= {row["created_at"][:10] for row in (source, target)}
            else:
                assert sorted(found) == sorted(Case(rows).wanted)
    assert found_out < 6


@pytest.mark.parametrize("kind", READERS)
def test_rows_of_one_id_that_nothing_counts_are_an_error_that_names_it(kind: str) -> None:
    """Without sums, nothing shows whether they are two transactions or one that has changed."""
    rows = of_one_id(HISTORY, 2, 4)
    refused = Sums(built_to=START - timedelta(days=1))
    with WrongService(rows, sums=refused) as service, api_of(service) as api:
        with pytest.raises(HistoryError, match=rows[4]["transaction_id"]):
            list(READERS[kind](api, Case(rows), on_difference="ignore"))


@pytest.mark.parametrize("kind", READERS)
def test_a_row_that_changes_while_nothing_is_compared_is_returned_once(kind: str) -> None:
    rows = evenly(150, 2)
    for at in range(2, 9):

        def change(service: WrongService, request: Request, at: int = at) -> None:
            if request.number == at:
                service.change(rows[90]["transaction_id"], created_at=rows[20]["created_at"])

        with WrongService(rows, before=change) as service, api_of(service) as api:
            found = list(READERS[kind](api, Case(rows), on_difference="ignore"))
            assert len(set(found)) == len(found)


@pytest.mark.parametrize("kind", READERS)
def test_sums_that_were_too_low_at_first_do_not_explain_why_a_row_is_missing(kind: str) -> None:
    """They look as if rows had arrived meanwhile, some of them after they were read."""
    rows = evenly(150, 60, types=["G"])
    seen: list[Request] = []

    def sums(request: Request) -> Sums:
        seen.append(request)
        return Sums(counts={("2025-03-01", "G"): 3} if request.nth == 1 else {})

    def search(_: Request) -> Search:
        return Search(withheld={rows[140]["transaction_id"]} if len(seen) < 2 else ())

    with WrongService(rows, search=search, sums=sums) as service, api_of(service) as api:
        found = list(READERS[kind](api, Case(rows), newest_first=True))
    assert found == Case(rows).wanted[::-1]


@pytest.mark.parametrize("kind", READERS)
def test_a_row_that_was_received_is_not_dropped_for_one_response_that_lacks_it(kind: str) -> None:
    """The sums never have its day, so they agree with the empty response."""
    rows = evenly(7, 2, types=["G"])
    sums = Sums(built_to=START + timedelta(days=1))
    for nth in range(1, 9):  # the first ones, those for what these are split into, those again
        search = only_on(nth, Search(empty=True), Search())
        with WrongService(rows, search=search, sums=sums) as service, api_of(service) as api:
            with pytest.raises(DifferenceError, match="2025-01-31 G"):
                list(READERS[kind](api, Case(rows)))


@pytest.mark.parametrize("kind", READERS)
def test_a_row_that_was_received_is_returned_where_nothing_is_compared(kind: str) -> None:
    rows = evenly(7, 2)
    for nth in range(2, 6):
        search = only_on(nth, Search(empty=True), Search())
        with WrongService(rows, search=search) as service, api_of(service) as api:
            found = list(READERS[kind](api, Case(rows), on_difference="ignore"))
            assert found == Case(rows).wanted


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("kept_by", [None, "date"])
@pytest.mark.parametrize("falls", [2, 3])
def test_no_row_of_a_day_that_the_request_cuts_is_lost_if_fewer_rows_are_returned_at_once(
    kind: str, kept_by: Any, falls: int
) -> None:
    rows = evenly(160, 2)
    search, sums = capped(lambda nth: 100 if nth < falls else 20), Sums(kept_by=kept_by)
    for since in "2025-01-30T12:00:00", "2025-01-31T06:00:00":
        case = Case(rows, request={"since": since, "until": "2025-01-31T18:00:00"})
        with WrongService(rows, search=search, sums=sums) as service, api_of(service) as api:
            assert list(READERS[kind](api, case)) == case.wanted


@pytest.mark.parametrize("falls", [4, 5, 6])
def test_no_row_of_a_window_of_a_part_of_a_day_is_lost_if_fewer_rows_are_returned_at_once(
    falls: int,
) -> None:
    rows = evenly(400, 1)
    search = capped(lambda nth: 10 if nth < falls else 3)
    with WrongService(rows, search=search) as service, api_of(service) as api:
        plan = plan_credit_transactions(api, WORKSPACE, START, START + timedelta(1), page_size=10)
        windows = [read_window(api, WORKSPACE, each, page_size=10) for each in plan.windows]
    assert len(windows) > 1
    assert [row_id for window in windows for row_id in ids_of(window)] == Case(rows).wanted


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("until", [2, 4, 7])
def test_a_row_that_is_withheld_for_a_while_is_read(kind: str, until: int) -> None:
    missing = {HISTORY[300]["transaction_id"]}
    with (
        WrongService(
            HISTORY, search=lambda request: Search(withheld=missing if request.nth < until else ())
        ) as service,
        api_of(service) as api,
    ):
        assert list(READERS[kind](api, Case())) == Case().wanted


@pytest.mark.parametrize(
    ("kind", "on_difference", "workers"),
    in_turn(
        {kind: kind for kind in READERS},
        [("raise", 1), ("ignore", 8)],
        [("raise", 8), ("ignore", 1)],
    ),
)
def test_a_cap_of_one_row_is_read_through(kind: str, on_difference: str, workers: int) -> None:
    rows = evenly(40, 20)
    search, sums = Search(max_limit=1), Sums(max_limit=1)
    with WrongService(rows, search=search, sums=sums) as service, api_of(service) as api:
        found = READERS[kind](api, Case(rows), on_difference=on_difference, workers=workers)
        assert list(found) == Case(rows).wanted
        assert len(service.requests) < 40 * len(rows)


@pytest.mark.parametrize("kind", READERS)
def test_a_timestamp_that_no_limit_returns_completely_is_an_error(kind: str) -> None:
    rows = [*HISTORY, *one_instant(150, START + timedelta(days=7), types=("G",))]
    with WrongService(rows, search=Search(max_limit=100)) as service, api_of(service) as api:
        for on_difference in "raise", "ignore":
            with pytest.raises(CrowdedInstantError, match="2025-02-06T00:00:00"):
                list(READERS[kind](api, Case(rows), on_difference=on_difference))


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled", "by_id"])
@pytest.mark.parametrize(
    "bounds", [("created_at_from", "created_at_to"), ("created_at_from",), ("created_at_to",)]
)
def test_a_service_that_ignores_bounds_is_an_error_soon_or_all_rows_are_returned(
    order: Any, bounds: tuple[str, ...]
) -> None:
    rows = evenly(300, 60)
    ignored = Search(ignored=bounds, order=order, max_limit=100)
    for on_difference, workers in product(("raise", "ignore"), (1, 8)):
        with WrongService(rows, search=ignored) as service, api_of(service) as api:
            try:
                found = list(models(api, Case(), on_difference=on_difference, workers=workers))
            except HistoryError:
                assert len(service.requests) < 220
            else:
                assert (found, len(bounds)) == (Case(rows).wanted, 1)
                assert len(service.requests) < 60


def test_a_larger_limit_is_only_for_a_timestamp_that_fills_a_response() -> None:
    for rows, most in ((HISTORY, 20), ([*HISTORY, *one_instant(50, types=("G",))], 200)):
        with WrongService(rows) as service, api_of(service) as api:
            assert len(list(models(api, Case(rows, page_size=20)))) == len(rows)
            limits = [request.body["limit"] for request in service.asked(SEARCH)]
            assert max(limits) == most
            assert all(
                request.body.get("limit", 0) <= 20
                for request in service.requests
                if request.path != SEARCH
            )


@pytest.mark.parametrize(
    "order", ["newest_first", "oldest_first", pytest.param("shuffled", marks=pytest.mark.deep)]
)
@pytest.mark.parametrize("path", [SEARCH, SUMS, CHART])
@pytest.mark.parametrize("field", ["created_at_from", "context_id", None])
def test_one_empty_response_hides_no_rows(path: str, order: Any, field: str | None) -> None:
    rows = [*evenly(250, 40), *bursts(1, 150, start=START + timedelta(days=41))]
    rows.sort(key=lambda row: (row["created_at"], row["transaction_id"]))
    request = {field: rows[150][field.removesuffix("_from")]} if field else {}
    wanted = [
        row["transaction_id"]
        for at, row in enumerate(rows)
        if (at >= 150 or field != "created_at_from")
        and (field != "context_id" or row["context_id"] == request["context_id"])
    ]
    wrong: dict[str, Any] = {SEARCH: Search(order=order), SUMS: Sums(), CHART: Chart()}
    usual = wrong[path]
    for number in count(1):
        wrong[path] = only_on(number, replace(usual, empty=True), usual)
        services = WrongService(rows, search=wrong[SEARCH], sums=wrong[SUMS], chart=wrong[CHART])
        with services as service, api_of(service) as api:
            rows_read = iter_credit_transactions(api, WORKSPACE, request, page_size=100)
            try:
                found = [row.transaction_id for row in rows_read]
            except HistoryError:
                assert len(service.asked(path)) >= number  # a right service is no error
            else:
                assert found == wanted
            if len(service.asked(path)) < number:
                break


# How many requests it takes


def requests_a_page(rows: list[Row]) -> float:
    with WrongService(rows) as running, api_of(running) as api:
        assert list(models(api, Case(rows))) == Case(rows).wanted
        return len(running.requests) * 100 / len(rows)


def test_an_ordinary_year_takes_few_more_requests_than_there_are_pages() -> None:
    assert requests_a_page(evenly(10_000, 365)) <= 1.4


def test_years_of_few_rows_take_few_more_requests_than_there_are_pages() -> None:
    assert requests_a_page(evenly(20_000, 3650)) <= 1.4


def test_days_and_nights_take_few_more_requests_than_there_are_pages() -> None:
    # Each day has 16 hours with rows, most of them about noon; busy days have four times as many.
    times = [
        START + timedelta(days=day, hours=12 + 5 * asin(share))
        for day, count in enumerate([300, 1200, 900, 600] * 7)
        for share in (2 * number / count - 1 for number in range(count))
    ]
    assert requests_a_page(rows_at(times)) <= 1.7


@pytest.mark.parametrize(
    ("size", "hours"),
    [
        *((250, 3), (300, 7), (400, 3), (500, 17), (1000, 24), (3000, 72)),
        *(
            pytest.param(size, hours, marks=pytest.mark.deep)
            for size, hours in product((300, 500, 1000, 3000), (17, 24, 72))
            if (size, hours) != (300, 17)
        ),
    ],
)
def test_bursts_take_at_most_two_requests_a_page(size: int, hours: int) -> None:
    assert requests_a_page(bursts(6000 // size, size, every=timedelta(hours=hours))) <= 2


def test_an_hour_with_one_row_takes_a_handful_of_requests() -> None:
    busy = evenly(3000, 1)
    alone = rows_at([START + timedelta(days=1, minutes=30)], prefix="alone-")
    hour = {"since": (START + timedelta(days=1)).isoformat()}
    hour["until"] = (START + timedelta(days=1, hours=1)).isoformat()
    with WrongService([*busy, *alone]) as service, api_of(service) as api:
        case = Case([*busy, *alone], request=hour)
        assert list(models(api, case)) == case.wanted == [alone[0]["transaction_id"]]
        assert len(service.requests) <= 6


def test_gaps_between_days_cost_no_requests_of_their_own() -> None:
    rows = rows_at(START + timedelta(days=40 * n, seconds=k) for n in range(30) for k in range(40))
    with WrongService(rows) as service, api_of(service) as api:
        assert list(models(api, Case(rows))) == Case(rows).wanted
        assert len(service.requests) <= 2.4 * len(rows) / 100 + 8


def test_reading_without_comparing_takes_no_more_requests_than_with_it() -> None:
    counts: dict[str, int] = {}
    for on_difference in "raise", "ignore":
        with WrongService(HISTORY) as service, api_of(service) as api:
            assert list(models(api, Case(), on_difference=on_difference)) == Case().wanted
            counts[on_difference] = len(service.requests)
    assert counts["ignore"] <= counts["raise"]


def test_sums_that_are_all_far_too_high_cost_two_requests_a_row_at_most() -> None:
    rows = evenly(150, 15)
    counts = {(row["created_at"][:10], row["transaction_type"]): 10**6 for row in rows}
    search, sums = Search(times=2), Sums(counts=counts)
    with WrongService(rows, search=search, sums=sums) as service, api_of(service) as api:
        with pytest.warns(DifferenceWarning):
            found = list(models(api, Case(rows, page_size=10), on_difference="warn"))
        assert found == Case(rows).wanted
        assert len(service.requests) <= 2 * len(rows)


def test_windows_of_whole_days_take_few_more_requests_than_they_have_pages() -> None:
    rows = evenly(6000, 60)
    with WrongService(rows) as service, api_of(service) as api:
        plan = plan_credit_transactions(api, WORKSPACE, "2025-01-30", "2025-03-31")
        before = len(service.requests)
        assert sum(read_window(api, WORKSPACE, each).num_rows for each in plan.windows) == 6000
        assert len(service.requests) - before <= 1.8 * len(rows) / 100
