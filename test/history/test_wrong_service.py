"""Each way in which the service can be wrong, seen over a socket and without our client."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from time import perf_counter
from typing import Any

import pytest
import urllib3

from wrong_service import (
    CHART,
    FOREIGN_WORKSPACE,
    SEARCH,
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

SECONDS = [datetime(2025, 3, 1, 0, 0, second) for second in range(10)]
DAYS = [datetime(2025, 3, day, 12) for day in range(1, 11)]  # 3 March 2025 is a Monday


class Served(WrongService):
    """The service with a caller of its own, which shows what is in the responses."""

    def __enter__(self) -> Served:
        super().__enter__()
        self.pool = urllib3.PoolManager(retries=False)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.pool.clear()
        super().__exit__(*exc_info)

    def call(
        self, path: str, body: dict[str, Any], workspace_id: str | None = WORKSPACE
    ) -> tuple[int, Any]:
        query = f"?workspace_id={workspace_id}" if workspace_id else ""
        response = self.pool.request("POST", self.url + path + query, json=body)
        return response.status, response.json()

    def _ok(self, path: str, body: dict[str, Any]) -> Any:
        status, content = self.call(path, body)
        assert status == 200, content
        return content

    def search(self, **body: Any) -> list[Row]:
        rows: list[Row] = self._ok(SEARCH, body)
        return rows

    def times(self, **body: Any) -> list[str]:
        return [row["created_at"] for row in self.search(**body)]

    def seconds(self, **body: Any) -> list[int]:
        return [int(time[17:19]) for time in self.times(**body)]

    def sums(self, **body: Any) -> list[Row]:
        rows: list[Row] = self._ok(SUMS, body)
        return rows

    def days(self, **body: Any) -> list[int]:
        """The day of each sum, in order of time."""
        return sorted(int(row["created_at"][8:10]) for row in self.sums(**body))

    def chart(self, **body: Any) -> dict[str, dict[str, int]]:
        rows = self._ok(CHART, body)["per_day"]
        return {row["date"]: row["transaction_types"] for row in rows}


def of_type(code: str, times: list[datetime]) -> list[Row]:
    return rows_at(times, types=[code], prefix=f"{code}-")


def test_honest_search() -> None:
    rows = evenly(250, days=10)
    with Served(rows) as caller:
        newest_first = [row["transaction_id"] for row in reversed(rows)]
        assert [row["transaction_id"] for row in caller.search()] == newest_first[:100]
        assert [row["transaction_id"] for row in caller.search(limit=1000)] == newest_first
        assert caller.search(limit=None, transaction_id=rows[3]["transaction_id"]) == [rows[3]]
        code = rows[0]["transaction_type"]
        of_one_type = [row for row in reversed(rows) if row["transaction_type"] == code]
        assert caller.search(transaction_type=code) == of_one_type
        assert caller.call(SEARCH, {}, "another") == (200, [])
        assert caller.call(SEARCH, {}, None)[0] == 422
        assert caller.call("/v2/nothing", {})[0] == 404


def test_honest_window_understands_offsets() -> None:
    with Served(rows_at(SECONDS)) as caller:
        window = {
            "created_at_from": "2025-03-01T02:00:03+02:00",
            "created_at_to": "2025-03-01T00:00:05Z",
        }
        assert caller.seconds(**window) == [5, 4, 3]
        assert caller.seconds(created_at_from="0001-01-01T00:00:00+14:00", limit=1) == [9]


@pytest.mark.parametrize(
    ("grouping", "starts"),
    [
        ("date", ["2025-03-03", "2025-03-02", "2025-03-01", "2025-02-28"]),
        ("week", ["2025-03-03", "2025-02-24"]),
        ("month", ["2025-03-01", "2025-02-01"]),
    ],
)
def test_honest_sums_and_chart(grouping: str, starts: list[str]) -> None:
    rows = evenly(400, days=4, start=datetime(2025, 2, 28), types=["G"])
    with Served(rows) as caller:
        sums = caller.sums(grouping=grouping)
        assert [row["created_at"] for row in sums] == [f"{start}T00:00:00" for start in starts]
        assert sum(row["cnt"] for row in sums) == 400
        assert sum(row["amount"] for row in sums) == sum(row["amount"] for row in rows)
        assert list(caller.chart(grouping=grouping)) == starts[::-1]
        assert sum(row["G"] for row in caller.chart(grouping=grouping).values()) == sum(
            row["amount"] for row in sums
        )


def test_honest_sums_have_a_limit_and_the_chart_has_none() -> None:
    with Served(evenly(300, days=300, types=["G"])) as caller:
        assert len(caller.sums()) == 100
        assert len(caller.sums(limit=7)) == 7
        assert len(caller.sums(limit=1000)) == 300
        assert len(caller.chart()) == 300


def test_balances() -> None:
    with Served([]) as caller:
        for path in ("balance", "workspace_balance"):
            response = caller.pool.request("GET", f"{caller.url}/v2/credits/{path}")
            assert response.json() == {"user_id": "user-1", "credits": 2_500_000}


def test_requests_are_recorded() -> None:
    with Served([]) as caller:
        caller.search(limit=3)
        caller.sums()
        caller.search(limit=4)
        assert caller.requests == [
            Request(1, 1, SEARCH, WORKSPACE, {"limit": 3}),
            Request(2, 1, SUMS, WORKSPACE, {}),
            Request(3, 2, SEARCH, WORKSPACE, {"limit": 4}),
        ]


def test_orders() -> None:
    rows = rows_at(SECONDS)
    by_id = sorted(range(10), key=lambda number: str(rows[number]["transaction_id"]))
    with Served(rows, search=Search(order="oldest_first")) as caller:
        assert caller.seconds(limit=4) == [0, 1, 2, 3]
    with Served(rows, search=Search(order="by_id")) as caller:
        assert caller.seconds(limit=4) == by_id[:4] != [0, 1, 2, 3]
    with Served(rows, search=Search(order="shuffled")) as caller:
        shuffled = [caller.seconds() for _ in range(3)]
        assert all(sorted(seconds) == list(range(10)) for seconds in shuffled)
        assert shuffled[0] != shuffled[1] != shuffled[2]
        assert len(set(caller.seconds(limit=4))) == 4


@pytest.mark.parametrize(
    ("bounds", "seconds"),
    [
        ("inclusive", [3, 4, 5, 6]),
        ("exclusive", [4, 5]),
        ("half_open", [3, 4, 5]),
        ("open_closed", [4, 5, 6]),
    ],
)
def test_bounds(bounds: Any, seconds: list[int]) -> None:
    window = {"created_at_from": "2025-03-01T00:00:03", "created_at_to": "2025-03-01T00:00:06"}
    with Served(
        of_type("G", SECONDS),
        search=Search(bounds=bounds, order="oldest_first"),
        sums=Sums(bounds=bounds),
    ) as caller:
        assert caller.seconds(**window) == seconds
        assert [row["cnt"] for row in caller.sums(**window)] == [len(seconds)]


def test_a_silent_cap_that_changes_in_the_middle() -> None:
    def by_request(request: Request) -> Search:
        return Search(max_limit={1: 5, 2: 2}.get(request.nth, 7))

    with Served(rows_at(SECONDS), search=by_request) as caller:
        assert [len(caller.search(limit=9)) for _ in range(4)] == [5, 2, 7, 7]
        assert len(caller.search(limit=1)) == 1


def test_keep_decides_which_rows_a_limit_keeps() -> None:
    with Served(rows_at(SECONDS), search=Search(max_limit=3, keep="oldest_first")) as caller:
        assert caller.seconds() == [2, 1, 0]


@pytest.mark.parametrize(
    ("refusal", "status", "detail"),
    [
        (
            "pydantic",
            422,
            [
                {
                    "type": "less_than_equal",
                    "loc": ["body", "limit"],
                    "msg": "Input should be less than or equal to 50",
                    "input": 51,
                    "ctx": {"le": 50},
                }
            ],
        ),
        (
            "no_number",
            422,
            [{"type": "value_error", "loc": ["body", "limit"], "msg": "The limit is too high"}],
        ),
        ("text", 422, "The limit is too high"),
        ("bad_request", 400, "The limit is too high"),
    ],
)
def test_a_high_limit_is_refused(refusal: Any, status: int, detail: object) -> None:
    wrong: dict[str, Any] = {"refuse_above": 50, "refusal": refusal}
    with Served(evenly(60, days=1), search=Search(**wrong), sums=Sums(**wrong)) as caller:
        for path in (SEARCH, SUMS):
            assert caller.call(path, {"limit": 51}) == (status, {"detail": detail})
            assert caller.call(path, {"limit": 50})[0] == 200


def test_duplicates_beyond_the_limit() -> None:
    with Served(of_type("G", SECONDS), search=Search(times=3), sums=Sums(times=2)) as caller:
        assert caller.seconds(limit=2) == [9, 9, 9, 8, 8, 8]
        assert len(caller.sums()) == 2


def test_pagination() -> None:
    pagination = {"sorting_key_value": "2025-03-01T00:00:05"}
    body = {"limit": 2, "pagination": pagination}
    with Served(rows_at(SECONDS)) as caller:
        assert caller.seconds(**body) == [9, 8]
    with Served(rows_at(SECONDS), search=Search(pagination="keyset")) as caller:
        assert caller.seconds(**body) == [4, 3]
        assert caller.seconds(limit=2) == [9, 8]
    keyset = Search(pagination="keyset", order="oldest_first")
    with Served(rows_at(SECONDS), search=keyset) as caller:
        assert caller.seconds(**body) == [6, 7]
    with Served(rows_at(SECONDS), search=Search(pagination="refused")) as caller:
        assert caller.call(SEARCH, body)[0] == 422
        assert caller.seconds(limit=2) == [9, 8]


@pytest.mark.parametrize(("every", "foreign"), [(1, 10), (3, 4), (0, 0)])
def test_rows_of_a_foreign_workspace(every: int, foreign: int) -> None:
    with Served(
        of_type("G", DAYS), search=Search(foreign_every=every), sums=Sums(foreign_every=every)
    ) as caller:
        for rows in (caller.search(), caller.sums()):
            assert [row["workspace_id"] for row in rows].count(FOREIGN_WORKSPACE) == foreign


def test_the_workspace_of_the_key_whatever_is_asked() -> None:
    with Served(
        rows_at(SECONDS), search=Search(ignore_workspace=True), sums=Sums(ignore_workspace=True)
    ) as caller:
        for path in (SEARCH, SUMS):
            _, rows = caller.call(path, {}, "another")
            assert {row["workspace_id"] for row in rows} == {WORKSPACE}


def test_withheld_rows_come_after_the_second_request() -> None:
    rows = rows_at(SECONDS)
    ids = [row["transaction_id"] for row in rows[7:9]]

    def late(request: Request) -> Search:
        return Search(withheld=ids if request.nth <= 2 else ())

    with Served(rows, search=late) as caller:
        assert [caller.seconds(limit=3) for _ in range(3)] == [[9, 6, 5], [9, 6, 5], [9, 8, 7]]
    with Served(rows, search=Search(lost=ids)) as caller:
        assert caller.seconds(limit=3) == [9]


def test_rows_from_outside_the_window() -> None:
    window = {"created_at_from": "2025-03-01T00:00:03", "created_at_to": "2025-03-01T00:00:06"}
    with Served(rows_at(SECONDS), search=Search(beyond=2)) as caller:
        assert caller.seconds(limit=1, **window) == [6, 1, 2, 7, 8]
    with Served(rows_at(SECONDS), search=Search(ignored=["created_at_to"])) as caller:
        assert caller.seconds(**window) == [9, 8, 7, 6, 5, 4, 3]


def test_an_ignored_type_and_an_unknown_type() -> None:
    rows = of_type("G", SECONDS[:4]) + of_type("NEW", SECONDS[4:])
    with Served(rows, search=Search(ignored=["transaction_type"])) as caller:
        assert len(caller.search(transaction_type="G")) == 10
    with Served(rows, search=Search(known_types=["G"])) as caller:
        assert len(caller.search(transaction_type="G")) == 4
        assert caller.call(SEARCH, {"transaction_type": "NEW"})[0] == 422


@pytest.mark.parametrize(
    ("wrong", "times"),
    [
        ({}, ["2025-03-01T00:00:01.250000", "2025-03-01T00:00:00"]),
        ({"timestamps": "Z"}, ["2025-03-01T00:00:01.250000Z", "2025-03-01T00:00:00Z"]),
        (
            {"timestamps": "+02:00"},
            ["2025-03-01T02:00:01.250000+02:00", "2025-03-01T02:00:00+02:00"],
        ),
        ({"timestamps": "mixed"}, ["2025-03-01T00:00:01.250000", "2025-03-01T00:00:00Z"]),
        ({"timespec": "seconds"}, ["2025-03-01T00:00:01", "2025-03-01T00:00:00"]),
        (
            {"timespec": "microseconds"},
            ["2025-03-01T00:00:01.250000", "2025-03-01T00:00:00.000000"],
        ),
    ],
)
def test_timestamps(wrong: dict[str, Any], times: list[str]) -> None:
    rows = rows_at([SECONDS[0], SECONDS[1] + timedelta(milliseconds=250)])
    with Served(rows, search=Search(**wrong)) as caller:
        assert caller.times() == times


def test_the_last_timestamp_has_no_offset_to_show() -> None:
    with Served(rows_at([datetime.max]), search=Search(timestamps="+02:00")) as caller:
        assert caller.times() == ["9999-12-31T23:59:59.999999Z"]


def test_rows_arrive_leave_and_change() -> None:
    rows = rows_at(SECONDS[:3])
    first, second, _ = (str(row["transaction_id"]) for row in rows)

    def before(service: WrongService, request: Request) -> None:
        if request.number == 2:
            service.add(*rows_at(SECONDS[8:9], prefix="late-"))
        if request.number == 3:
            service.remove(first)
            service.change(second, created_at="2025-03-01T00:00:07", amount=-5)

    with Served(rows, before=before) as caller:
        assert caller.seconds() == [2, 1, 0]
        assert caller.seconds() == [8, 2, 1, 0]
        assert caller.seconds() == [8, 7, 2]
        assert [row["amount"] for row in caller.rows][1] == -5
        assert sum(row["cnt"] for row in caller.sums()) == 3


def test_an_error_of_the_hook_is_raised_at_the_end() -> None:
    def before(service: WrongService, request: Request) -> None:
        raise KeyError(request.number)

    with pytest.raises(KeyError, match="1"), Served([], before=before) as caller:
        with pytest.raises(urllib3.exceptions.ProtocolError):
            caller.search()


def stall_second(request: Request) -> Search:
    return Search(stall=request.nth == 2)


def test_a_stalled_request_goes_on_after_release() -> None:
    with Served(rows_at(SECONDS), search=stall_second) as caller:
        received: list[list[int]] = []
        assert len(caller.search()) == 10
        assert not caller.stalled.is_set()
        thread = threading.Thread(target=lambda: received.append(caller.seconds(limit=1)))
        thread.start()
        assert caller.stalled.wait(10)
        assert len(caller.search()) == 10  # another request is not held up
        assert not received
        caller.release.set()
        thread.join(10)
        assert received == [[9]]


def test_the_service_shuts_down_while_a_request_is_stalled() -> None:
    errors: list[BaseException] = []

    def call() -> None:
        try:
            caller.search()
        except urllib3.exceptions.ProtocolError as error:
            errors.append(error)

    with Served(rows_at(SECONDS), search=stall_second) as caller:
        caller.search()
        thread = threading.Thread(target=call)
        thread.start()
        assert caller.stalled.wait(10)
    thread.join(10)
    assert len(errors) == 1
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        caller.search()


@pytest.mark.parametrize("status", [500, 404])
def test_an_endpoint_that_always_fails(status: int) -> None:
    with Served(rows_at(SECONDS), sums=Sums(status=status), chart=Chart(status=status)) as caller:
        assert caller.call(SUMS, {})[0] == status
        assert caller.call(CHART, {})[0] == status
        assert len(caller.search()) == 10


def test_one_empty_response_then_a_right_one() -> None:
    with Served(
        of_type("G", DAYS),
        search=lambda request: Search(empty=request.nth == 1),
        sums=lambda request: Sums(empty=request.nth == 2),
        chart=lambda request: Chart(empty=request.nth == 3),
    ) as caller:
        assert [len(caller.search()) for _ in range(3)] == [0, 10, 10]
        assert [len(caller.sums()) for _ in range(3)] == [10, 0, 10]
        assert [len(caller.chart()) for _ in range(3)] == [10, 10, 0]


@pytest.mark.parametrize(
    ("keep", "days"), [("newest_first", [8, 9, 10]), ("oldest_first", [1, 2, 3])]
)
def test_most_rows_of_sums_and_chart(keep: Any, days: list[int]) -> None:
    with Served(
        of_type("G", DAYS), sums=Sums(max_limit=3, keep=keep), chart=Chart(max_limit=3, keep=keep)
    ) as caller:
        assert caller.days() == days
        assert list(caller.chart()) == [f"2025-03-{day:02}" for day in days]


def test_built_at_night() -> None:
    at = datetime(2025, 3, 4, 12)
    with Served(of_type("G", DAYS), sums=Sums(built_to=at), chart=Chart(built_to=at)) as caller:
        assert caller.days() == [1, 2, 3, 4]
        assert len(caller.chart()) == 4
        assert caller.sums(created_at_from="2025-03-06T00:00:00") == []
        assert len(caller.search()) == 10


@pytest.mark.parametrize(
    ("kept_by", "edges", "days"),
    [
        (None, "inside", [2, 3, 4, 5, 6, 7, 8]),
        ("date", "inside", [3, 4, 5, 6, 7, 8]),
        ("date", "touched", [2, 3, 4, 5, 6, 7, 8, 9]),
        ("week", "inside", []),
        ("week", "touched", list(range(1, 10))),
        ("month", "inside", []),
        ("month", "touched", list(range(1, 11))),
    ],
)
def test_only_whole_periods(kept_by: Any, edges: Any, days: list[int]) -> None:
    window = {"created_at_from": "2025-03-02T10:00:00", "created_at_to": "2025-03-09T11:00:00"}
    wrong: dict[str, Any] = {"kept_by": kept_by, "edges": edges}
    with Served(of_type("G", DAYS), sums=Sums(**wrong), chart=Chart(**wrong)) as caller:
        assert caller.days(**window) == days
        assert list(caller.chart(**window)) == [f"2025-03-{day:02}" for day in days]


def test_a_whole_week_from_its_first_microsecond_to_its_last() -> None:
    wrong = Sums(kept_by="week")
    with Served(of_type("G", DAYS), sums=wrong) as caller:
        window = {"created_at_from": "2025-03-02T10:00:00"}
        last = "2025-03-09T23:59:59.999999"
        assert caller.days(**window, created_at_to=last) == [3, 4, 5, 6, 7, 8, 9]
        assert caller.days(**window, created_at_to="2025-03-09T23:59:59") == []
        assert caller.days(created_at_from="2025-03-03T00:00:00", created_at_to=last) == [
            *range(3, 10)
        ]
        assert caller.days() == list(range(1, 11))


@pytest.mark.parametrize("kept_by", ["date", "week", "month"])
@pytest.mark.parametrize("edges", ["inside", "touched"])
def test_whole_periods_at_the_ends_of_time(kept_by: Any, edges: Any) -> None:
    ends = [datetime.min, datetime.max]
    first, last = (end.isoformat() for end in ends)
    wrong = Sums(kept_by=kept_by, edges=edges, zone=timedelta(hours=2))
    with Served(of_type("G", ends), sums=wrong) as caller:
        assert len(caller.sums()) == 2
        assert len(caller.sums(created_at_from=first)) >= 1
        assert len(caller.sums(created_at_to=last)) >= 1


def test_the_chart_of_all_months() -> None:
    rows = of_type("G", [datetime.min, datetime.max])
    with Served(rows, chart=Chart(empty_periods=1)) as caller:
        assert len(caller.chart(grouping="month")) == 9999 * 12


@pytest.mark.parametrize("count", [10**6, 10**12, 10**30, -3])
def test_wrong_counts(count: int) -> None:
    wrong = Sums(counts={("2025-03-02", "G"): count}, amounts={("2025-03-03", "G"): 7 * count})
    with Served(of_type("G", DAYS), sums=wrong) as caller:
        sums = {row["created_at"]: row for row in caller.sums()}
        assert sums["2025-03-02T00:00:00"]["cnt"] == count
        assert sums["2025-03-03T00:00:00"]["amount"] == 7 * count
        assert sum(row["cnt"] for row in sums.values()) == 9 + count


def test_zero_filled() -> None:
    rows = of_type("G", DAYS[:2]) + of_type("K", DAYS[1:3])
    with Served(rows, sums=Sums(zero_filled=True), chart=Chart(zero_filled=True)) as caller:
        sums = [(r["created_at"][8:10], r["transaction_type"], r["cnt"]) for r in caller.sums()]
        assert sorted(sums) == [
            ("01", "G", 1),
            ("01", "K", 0),
            ("02", "G", 1),
            ("02", "K", 1),
            ("03", "G", 0),
            ("03", "K", 1),
        ]
        assert {row["workspace_id"] for row in caller.sums()} == {WORKSPACE}
        assert caller.chart()["2025-03-01"] == {"G": 1, "K": 0}


def test_a_time_of_day_and_a_zone() -> None:
    with Served(of_type("G", DAYS[:1]), sums=Sums(time_of_day=timedelta(hours=5))) as caller:
        assert [row["created_at"] for row in caller.sums()] == ["2025-03-01T05:00:00"]
    zone = timedelta(hours=13)
    with Served(of_type("G", DAYS[:1]), sums=Sums(zone=zone), chart=Chart(zone=zone)) as caller:
        assert caller.days(created_at_to="2025-03-01T12:00:00") == [2]
        assert list(caller.chart()) == ["2025-03-02"]


def test_sums_with_other_timestamps() -> None:
    with Served(of_type("G", DAYS[:1]), sums=Sums(timestamps="+02:00")) as caller:
        assert [row["created_at"] for row in caller.sums()] == ["2025-03-01T02:00:00+02:00"]


def test_the_chart_shows_only_recent_days() -> None:
    recent = Chart(default_from=datetime(2025, 3, 8))
    with Served(of_type("G", DAYS), chart=recent) as caller:
        assert list(caller.chart()) == ["2025-03-08", "2025-03-09", "2025-03-10"]
        assert len(caller.chart(created_at_from="2025-03-02T00:00:00")) == 9
        assert caller.chart(created_at_to="2025-03-05T00:00:00") == {}


@pytest.mark.parametrize(("index", "days"), [(0, [2, 3, 4]), (-1, [1, 2, 3]), (1, [1, 3, 4])])
def test_the_chart_leaves_a_period_out(index: int, days: list[int]) -> None:
    with Served(of_type("G", DAYS[:4]), chart=Chart(left_out=[index])) as caller:
        assert list(caller.chart()) == [f"2025-03-{day:02}" for day in days]


def test_the_chart_leaves_out_what_nets_to_zero() -> None:
    rows = of_type("G", DAYS[:1] * 2 + DAYS[1:2]) + of_type("K", DAYS[:1])
    rows[0]["amount"], rows[1]["amount"] = 5, -5
    with Served(rows) as caller:
        assert caller.chart()["2025-03-01"] == {"G": 0, "K": 1}
    with Served(rows, chart=Chart(net_zero_left_out=True)) as caller:
        assert caller.chart()["2025-03-01"] == {"K": 1}


def test_the_chart_has_empty_periods() -> None:
    window = {"created_at_from": "2025-03-02T00:00:00", "created_at_to": "2025-03-04T23:00:00"}
    with Served(of_type("G", [DAYS[2]]), chart=Chart(empty_periods=1)) as caller:
        assert caller.chart(**window) == {
            "2025-03-01": {},
            "2025-03-02": {},
            "2025-03-03": {"G": 1},
            "2025-03-04": {},
            "2025-03-05": {},
        }
        months = caller.chart(grouping="month", **window)
        assert list(months) == ["2025-02-01", "2025-03-01", "2025-04-01"]
    with Served(of_type("G", [DAYS[0], DAYS[2]]), chart=Chart(empty_periods=0)) as caller:
        assert list(caller.chart()) == ["2025-03-01", "2025-03-02", "2025-03-03"]
    with Served([], chart=Chart(empty_periods=2)) as caller:
        assert caller.chart() == {}


def with_a_time(day: date) -> str:
    return f"{day}T00:00:00"


def yesterday(_: date) -> str:
    return "yesterday"


@pytest.mark.parametrize(
    ("date_text", "shown"), [(with_a_time, "2025-03-01T00:00:00"), (yesterday, "yesterday")]
)
def test_dates_of_the_chart(date_text: Any, shown: str) -> None:
    with Served(of_type("G", DAYS[:1]), chart=Chart(date_text=date_text)) as caller:
        assert caller.chart() == {shown: {"G": 1}}


def test_the_chart_lists_no_types() -> None:
    with Served(of_type("G", DAYS)) as caller:
        assert caller.call(CHART, {})[1]["transaction_types"] == ["G"]
    with Served(of_type("G", DAYS), chart=Chart(types_listed=False)) as caller:
        assert caller.call(CHART, {})[1]["transaction_types"] == []
        assert len(caller.chart()) == 10


def test_rows_to_begin_with() -> None:
    even, burst, instant = evenly(100, days=50), bursts(4, 25), one_instant(30)
    assert len({row["transaction_id"] for row in even + burst + instant}) == 230
    assert len({row["created_at"][:10] for row in even}) == 50
    assert len({row["created_at"][:10] for row in burst}) == 4
    assert {row["created_at"] for row in instant} == {"2025-01-30T00:00:00"}
    assert evenly(100, days=50) == even


def test_it_is_quick() -> None:
    rows = evenly(20_000, days=200)
    with Served(rows) as caller:
        caller.search()
        started = perf_counter()
        for number in range(600):
            caller.search(created_at_to=rows[number * 30]["created_at"], limit=10)
        assert perf_counter() - started < 10  # where it takes half a second; machines may be slow
