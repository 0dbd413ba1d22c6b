"""A Credits service that can be wrong in each way that the API specification leaves open.

It shares no code with the client and none with the sandbox: each would repeat its assumptions.
"""

from __future__ import annotations

import calendar
import json
import random
import socket
import socketserver
import sys
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

SEARCH = "/v2/credits/search"
SUMS = "/v2/credits/search_daily"
CHART = "/v2/credits/daily/chart"
BALANCES = ("/v2/credits/balance", "/v2/credits/workspace_balance")

WORKSPACE = "workspace-1"
FOREIGN_WORKSPACE = "workspace-foreign"
TYPES = ("G", "K", "TOOL_REDDIT", "NEW_TYPE")
START = datetime(2025, 1, 30)
MICROSECOND = timedelta(microseconds=1)
FILTERS = ("transaction_id", "transaction_type", "context_id", "context_desc")

Row = dict[str, Any]
T = TypeVar("T")
By: TypeAlias = T | Callable[["Request"], T]
Grouping = Literal["date", "week", "month"]
Order = Literal["newest_first", "oldest_first", "shuffled", "by_id"]


class Request(NamedTuple):
    """``number`` counts all requests from 1, ``nth`` those with this path."""

    number: int
    nth: int
    path: str
    workspace_id: str | None
    body: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What any of the three endpoints may do wrong; by default nothing."""

    status: int = 200
    empty: bool = False
    stall: bool = False  # set `stalled`, then respond only after `release`
    order: Order = "newest_first"
    bounds: Literal["inclusive", "exclusive", "half_open", "open_closed"] = "inclusive"
    default_from: datetime | None = None  # used where the request has no created_at_from
    built_to: datetime | None = None  # later rows are unknown
    default_limit: int | None = 100
    max_limit: int | None = None  # a silent cap
    keep: Literal["newest_first", "oldest_first"] | None = None  # which rows a limit keeps
    refuse_above: int | None = None  # the highest limit that is accepted
    refusal: Literal["pydantic", "no_number", "text", "bad_request"] = "pydantic"
    pagination: Literal["ignored", "keyset", "refused"] = "ignored"
    known_types: Collection[str] | None = None  # any other is refused
    ignored: Collection[str] = ()  # fields of the request
    ignore_workspace: bool = False  # respond for WORKSPACE, whatever the request says
    foreign_every: int = 0  # each such row of a response is of FOREIGN_WORKSPACE; 1: all
    times: int = 1  # each row so often, beyond the limit
    timestamps: Literal["as_given", "naive", "Z", "+02:00", "mixed", "local", "local_aware"] = (
        "as_given"
    )
    local: tzinfo | None = None  # zone of bounds without an offset, of days and local timestamps
    fold: int = 0  # which one of two times a bound without an offset means
    timespec: Literal["auto", "seconds", "milliseconds", "microseconds"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Search(Endpoint):
    """What ``/search`` may do wrong."""

    withheld: Collection[str] = ()  # IDs; they do not count towards the limit
    lost: Collection[str] = ()  # IDs; they leave a gap within the limit
    beyond: int = 0  # so many rows from each side of the window, beyond the limit


@dataclass(frozen=True, kw_only=True)
class Totals(Endpoint):
    """What both endpoints with sums may do wrong."""

    zone: timedelta = timedelta()  # of the days; the window stays in UTC
    kept_by: Grouping | None = None  # only these whole periods can be returned
    edges: Literal["inside", "touched"] = "inside"  # which whole periods a window gets
    zero_filled: bool = False


@dataclass(frozen=True, kw_only=True)
class Sums(Totals):
    """What ``/search_daily`` may do wrong."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    amounts: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    time_of_day: timedelta = timedelta()


@dataclass(frozen=True, kw_only=True)
class Chart(Totals):
    """What ``/daily/chart`` may do wrong."""

    order: Order = "oldest_first"
    default_limit: int | None = None
    left_out: Collection[int] = ()  # indexes of periods, oldest first; -1: the last one
    net_zero_left_out: bool = False
    empty_periods: int | None = None  # fill gaps, and so many beyond each end of the window
    date_text: Callable[[date], str] = date.isoformat
    types_listed: bool = True


HONEST_SEARCH, HONEST_SUMS, HONEST_CHART = Search(), Sums(), Chart()


def rows_at(
    times: Iterable[datetime],
    *,
    prefix: str = "row-",
    types: Collection[str] = TYPES,
    workspace_id: str = WORKSPACE,
) -> list[Row]:
    """A row at each time. IDs are unique below a million rows, and not in the order of time."""
    codes = list(types)
    return [
        {
            "transaction_id": f"{prefix}{number * 618_034 % 1_000_003:07d}",
            "workspace_id": workspace_id,
            "user_id": "user-1",
            "created_at": at.isoformat(),
            "transaction_type": codes[number * 7 % len(codes)],
            "context_id": f"context-{number % 3}",
            "context_desc": f"bot {number % 2}",
            "amount": number % 97 + 1,
        }
        for number, at in enumerate(times)
    ]


def evenly(count: int, days: float, start: datetime = START, **kind: Any) -> list[Row]:
    step = timedelta(days=days) / count
    return rows_at((start + step * n for n in range(count)), **{"prefix": "even-", **kind})


def bursts(
    count: int,
    size: int,
    start: datetime = START,
    every: timedelta = timedelta(days=3),
    within: timedelta = timedelta(seconds=1),
    **kind: Any,
) -> list[Row]:
    times = (start + every * n + within * k / size for n in range(count) for k in range(size))
    return rows_at(times, **{"prefix": "burst-", **kind})


def one_instant(count: int, at: datetime = START, **kind: Any) -> list[Row]:
    return rows_at([at] * count, **{"prefix": "instant-", **kind})


class WrongService:
    """Serves ``rows`` (as JSON objects) on loopback while its context lasts.

    Each of ``search``, ``sums`` and ``chart`` is a value, or a function of the request that
    gives one: what is wrong can change in the middle.

    :param before: called with the service and each request, before the response is made
    :ivar requests: in order of arrival
    :ivar stalled: set as soon as a request is stalled; set ``release`` to let it go on
    """

    def __init__(
        self,
        rows: Iterable[Row] = (),
        *,
        search: By[Search] = HONEST_SEARCH,
        sums: By[Sums] = HONEST_SUMS,
        chart: By[Chart] = HONEST_CHART,
        before: Callable[[WrongService, Request], object] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.stalled = threading.Event()
        self.release = threading.Event()
        self._kept = _Kept(map(_Item.of, rows))
        self._settings: dict[str, By[Search] | By[Sums] | By[Chart]] = {
            SEARCH: search,
            SUMS: sums,
            CHART: chart,
        }
        self._before = before
        self._counts = Counter[str]()
        self._counting = threading.Lock()
        self._changing = threading.RLock()  # `before` changes rows

    def __enter__(self) -> WrongService:
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.daemon = True
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.disconnect(self.release)
        self._server.server_close()
        if self._server.errors and exc_info[0] is None:
            raise self._server.errors[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def rows(self) -> list[Row]:
        """Copies of the rows that it has now, oldest first."""
        return [dict(item.row) for item in self._kept.items]

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def add(self, *rows: Row) -> None:
        with self._changing:
            self._kept = _Kept([*self._kept.items, *map(_Item.of, rows)])

    def remove(self, *ids: str) -> None:
        with self._changing:
            self._kept = _Kept(item for item in self._kept.items if item.id not in ids)

    def change(self, transaction_id: str, **fields: Any) -> None:
        with self._changing:
            (item,) = (item for item in self._kept.items if item.id == transaction_id)
            self.remove(transaction_id)
            self.add({**item.row, **fields})

    def respond(self, path: str, workspace_id: str | None, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and JSON of the response."""
        with self._counting:
            self._counts[path] += 1
            number = len(self.requests) + 1
            request = Request(number, self._counts[path], path, workspace_id, body)
            self.requests.append(request)
        if self._before:
            with self._changing:
                self._before(self, request)
        if path in BALANCES:
            return 200, {"user_id": "user-1", "credits": 2_500_000}
        if path not in self._settings:
            return 404, {"detail": "Not Found"}
        setting = self._settings[path]
        wrong = setting(request) if callable(setting) else setting
        if wrong.stall:
            self.stalled.set()
            self.release.wait()
        if wrong.status != 200:
            return wrong.status, {"detail": HTTPStatus(wrong.status).phrase}
        try:
            _check(request, wrong)
        except _RefusedError as refused:
            return refused.status, {"detail": refused.detail}
        return 200, _RESPONSES[type(wrong)](self._kept, request, wrong)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self.errors: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._closed = threading.Condition()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer would look the host name up

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._closed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._closed:
            self._open.discard(request)
            self._closed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):  # the client may leave
            self.errors.append(error)

    def disconnect(self, release: threading.Event) -> None:
        """Close each connection before a stalled request could get its response."""
        with self._closed:
            for sock in self._open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            release.set()
            if not self._closed.wait_for(lambda: not self._open, timeout=10):
                raise RuntimeError("a request is still being handled after 10 seconds")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    def __init__(self, service: WrongService, *args: Any) -> None:
        self._service = service
        super().__init__(*args)

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        workspace_id = parse_qs(url.query).get("workspace_id", [None])[0]
        status, content = self._service.respond(url.path, workspace_id, body)
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST  # noqa: N815 - http.server names it

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Item(NamedTuple):
    """A row, a sum or a period of the chart, with what it is ordered by."""

    at: datetime  # naive, UTC
    id: str
    row: Row

    @classmethod
    def of(cls, row: Row) -> _Item:
        return cls(_utc(row["created_at"]), row["transaction_id"], dict(row))


class _Kept:
    """Rows, oldest first. It never changes, so that what is computed from it can be cached."""

    def __init__(self, items: Iterable[_Item]) -> None:
        self.items = sorted(items, key=lambda item: item[:2])
        self.times = [item.at for item in self.items]
        self.types = sorted({item.row["transaction_type"] for item in self.items})
        self.cache: dict[object, list[_Item]] = {}
        self._matching: dict[object, _Kept] = {}

    def matching(self, request: Request, wrong: Endpoint) -> _Kept:
        asked = {"workspace_id": _workspace(request, wrong)}
        asked.update({name: _asked(request, wrong, name) for name in FILTERS})
        wanted = tuple((name, value) for name, value in asked.items() if value is not None)
        if wanted not in self._matching:
            self._matching[wanted] = _Kept(
                item for item in self.items if all(item.row.get(k) == v for k, v in wanted)
            )
        return self._matching[wanted]

    def between(self, low: datetime | None, high: datetime | None, wrong: Endpoint) -> slice:
        from_low, to_high = _BOUNDS[wrong.bounds]
        first = from_low(self.times, low) if low else 0
        last = to_high(self.times, high) if high else len(self.times)
        if wrong.built_to:
            last = min(last, bisect_right(self.times, wrong.built_to))
        return slice(first, max(first, last))


_BOUNDS = {
    "inclusive": (bisect_left, bisect_right),
    "exclusive": (bisect_right, bisect_left),
    "half_open": (bisect_left, bisect_left),
    "open_closed": (bisect_right, bisect_right),
}


def _utc(text: str) -> datetime:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    offset = at.utcoffset()
    return _later(at.replace(tzinfo=None), -offset) if offset else at.replace(tzinfo=None)


def _workspace(request: Request, wrong: Endpoint) -> str | None:
    return WORKSPACE if wrong.ignore_workspace else request.workspace_id


def _asked(request: Request, wrong: Endpoint, name: str) -> Any:
    return None if name in wrong.ignored else request.body.get(name)


def _window(request: Request, wrong: Endpoint) -> tuple[datetime | None, datetime | None]:
    low, high = (_asked(request, wrong, f"created_at_{end}") for end in ("from", "to"))
    return _bound(low, wrong) if low else wrong.default_from, _bound(high, wrong) if high else None


def _bound(text: str, wrong: Endpoint) -> datetime:
    at = datetime.fromisoformat(text)
    if wrong.local and at.tzinfo is None:
        offset = at.replace(tzinfo=wrong.local, fold=wrong.fold).utcoffset()
        return _later(at, -(offset or timedelta()))
    return _utc(text)


def _local_time(at: datetime, zone: tzinfo) -> datetime:
    return at.replace(tzinfo=UTC).astimezone(zone)


class _RefusedError(Exception):
    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail

    @classmethod
    def invalid(cls, kind: str, loc: list[str], message: str, **more: Any) -> _RefusedError:
        return cls(422, [{"type": kind, "loc": loc, "msg": message, **more}])


_TOO_HIGH = "The limit is too high"
_REFUSALS: dict[str, Callable[[int, int], _RefusedError]] = {
    "pydantic": lambda limit, most: _RefusedError.invalid(
        "less_than_equal",
        ["body", "limit"],
        f"Input should be less than or equal to {most}",
        input=limit,
        ctx={"le": most},
    ),
    "no_number": lambda _limit, _most: _RefusedError.invalid(
        "value_error", ["body", "limit"], _TOO_HIGH
    ),
    "text": lambda _limit, _most: _RefusedError(422, _TOO_HIGH),
    "bad_request": lambda _limit, _most: _RefusedError(400, _TOO_HIGH),
}


def _check(request: Request, wrong: Endpoint) -> None:
    if request.workspace_id is None:
        raise _RefusedError.invalid("missing", ["query", "workspace_id"], "Field required")
    limit, most = request.body.get("limit"), wrong.refuse_above
    if limit is not None and most is not None and limit > most:
        raise _REFUSALS[wrong.refusal](limit, most)
    if wrong.pagination == "refused" and request.body.get("pagination"):
        raise _RefusedError.invalid("extra_forbidden", ["body", "pagination"], "Not permitted")
    code, known = request.body.get("transaction_type"), wrong.known_types
    if code is not None and known is not None and code not in known:
        raise _RefusedError.invalid("enum", ["body", "transaction_type"], "Unknown", input=code)


_ORDERS: dict[str, Callable[[list[_Item], int, Request], list[_Item]]] = {
    "newest_first": lambda items, limit, _: items[::-1][:limit],
    "oldest_first": lambda items, limit, _: items[:limit],
    "by_id": lambda items, limit, _: sorted(items, key=lambda item: item.id)[:limit],
    "shuffled": lambda items, limit, request: random.Random(request.number).sample(items, limit),  # noqa: S311 - no secret
}
_AFTER: dict[str, Callable[[_Item, str], bool]] = {
    "newest_first": lambda item, key: item.at < _utc(key),
    "oldest_first": lambda item, key: item.at > _utc(key),
    "by_id": lambda item, key: item.id > key,
    "shuffled": lambda _item, _key: True,
}


def _page(request: Request, wrong: Endpoint, items: list[_Item]) -> list[_Item]:
    """The part of these items, oldest first, that fits into a response."""
    seen = (request.body.get("pagination") or {}).get("sorting_key_value")
    if seen is not None and wrong.pagination == "keyset":
        items = [item for item in items if _AFTER[wrong.order](item, seen)]
    asked = request.body.get("limit")
    limits = (wrong.default_limit if asked is None else asked, wrong.max_limit, len(items))
    limit = 0 if wrong.empty else max(0, min(most for most in limits if most is not None))
    page = _ORDERS[wrong.keep or wrong.order](items, limit, request)
    if wrong.keep:
        kept = sorted(page, key=lambda item: item.at)
        page = _ORDERS[wrong.order](kept, limit, request)
    return [item for item in page for _ in range(wrong.times)]


def _timestamp(at: datetime, style: str, wrong: Endpoint) -> str:
    if wrong.local and style.startswith("local"):
        local = _local_time(at, wrong.local)
        local = local if style == "local_aware" else local.replace(tzinfo=None)
        return local.isoformat(timespec=wrong.timespec)
    if style == "+02:00":
        with suppress(OverflowError):  # the last hours of the year 9999
            return (at + timedelta(hours=2)).isoformat(timespec=wrong.timespec) + style
    return at.isoformat(timespec=wrong.timespec) + ("" if style == "naive" else "Z")


def _shown(items: list[_Item], wrong: Endpoint) -> list[Row]:
    """The rows of a response, with its workspace and its kind of timestamps."""
    rows = [item.row for item in items]
    if wrong.timestamps != "as_given" or wrong.timespec != "auto":
        styles = {"mixed": ("naive", "Z", "+02:00"), "as_given": ("naive",)}
        style = styles.get(wrong.timestamps, (wrong.timestamps,))
        rows = [
            {**item.row, "created_at": _timestamp(item.at, style[number % len(style)], wrong)}
            for number, item in enumerate(items)
        ]
    if wrong.foreign_every:
        every, foreign = wrong.foreign_every, {"workspace_id": FOREIGN_WORKSPACE}
        rows = [row if n % every else {**row, **foreign} for n, row in enumerate(rows)]
    return rows


def _search(kept: _Kept, request: Request, wrong: Search) -> list[Row]:
    kept = kept.matching(request, wrong)
    within = kept.between(*_window(request, wrong), wrong)
    items = kept.items[within]
    if wrong.withheld:
        items = [item for item in items if item.id not in wrong.withheld]
    page = [item for item in _page(request, wrong, items) if item.id not in wrong.lost]
    page += kept.items[max(0, within.start - wrong.beyond) : within.start]
    page += kept.items[within.stop : within.stop + wrong.beyond]
    return _shown(page, wrong)


def _start(at: datetime, grouping: Grouping) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if grouping == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grouping == "month" else day


def _last(start: datetime, grouping: Grouping) -> datetime:
    """The last microsecond of the period that starts then."""
    days = {"date": 1, "week": 7, "month": calendar.monthrange(start.year, start.month)[1]}
    try:
        return start + (timedelta(days=days[grouping]) - MICROSECOND)
    except OverflowError:
        return datetime.max


def _later(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        return datetime.max if by > timedelta() else datetime.min


def _grouping(request: Request, wrong: Totals) -> Grouping:
    grouping: Grouping | None = _asked(request, wrong, "grouping")
    return grouping or "date"


def _totals(kept: _Kept, request: Request, wrong: Totals) -> list[_Item]:
    """The sums per period and type, oldest first."""
    low, high = _window(request, wrong)
    grouping, unit, zone = _grouping(request, wrong), wrong.kept_by, wrong.zone
    key = (low, high, grouping, unit, zone, wrong.local, wrong.edges, wrong.bounds, wrong.built_to)
    if key in kept.cache:
        return kept.cache[key]
    if unit and wrong.edges == "touched":
        low = low and _later(_start(_later(low, zone), unit), -zone)
        high = high and _later(_last(_start(_later(high, zone), unit), unit), -zone)
    sums: dict[tuple[datetime, str], list[int]] = {}
    for at, _, row in kept.items[kept.between(low, high, wrong)]:
        local = _later(at, zone)
        if wrong.local:
            local = _local_time(at, wrong.local).replace(tzinfo=None)
        if unit and wrong.edges == "inside":
            first = _start(local, unit)
            start, last = _later(first, -zone), _later(_last(first, unit), -zone)
            if (low and start < low) or (high and last > high):
                continue
        total = sums.setdefault((_start(local, grouping), row["transaction_type"]), [0, 0])
        total[0] += row["amount"]
        total[1] += 1
    workspace = _workspace(request, wrong)
    kept.cache[key] = [_sum(*group, workspace, *sums[group]) for group in sorted(sums)]
    return kept.cache[key]


def _sum(at: datetime, code: str, workspace: str | None, amount: int, cnt: int) -> _Item:
    row = {"created_at": at.isoformat(), "workspace_id": workspace, "transaction_type": code}
    return _Item(at, code, {**row, "amount": amount, "cnt": cnt})


def _sums(kept: _Kept, request: Request, wrong: Sums) -> list[Row]:
    kept = kept.matching(request, wrong)
    items = _totals(kept, request, wrong)
    if wrong.zero_filled:
        found = {item[:2]: item for item in items}
        periods = sorted({item.at for item in items})
        groups = [(at, code) for at in periods for code in kept.types]
        workspace = _workspace(request, wrong)
        items = [found.get(group) or _sum(*group, workspace, 0, 0) for group in groups]
    return _shown([_altered(item, wrong) for item in _page(request, wrong, items)], wrong)


def _altered(item: _Item, wrong: Sums) -> _Item:
    group = item.at.date().isoformat(), item.id
    at = item.at + wrong.time_of_day
    cnt = wrong.counts.get(group, item.row["cnt"])
    amount = wrong.amounts.get(group, item.row["amount"])
    return _Item(
        at, item.id, {**item.row, "created_at": at.isoformat(), "cnt": cnt, "amount": amount}
    )


def _chart(kept: _Kept, request: Request, wrong: Chart) -> Row:
    kept = kept.matching(request, wrong)
    periods: dict[datetime, dict[str, int]] = {}
    for at, code, row in _totals(kept, request, wrong):
        if row["amount"] or not wrong.net_zero_left_out:
            periods.setdefault(at, {})[code] = row["amount"]
    if wrong.empty_periods is not None:
        periods = {at: periods.get(at, {}) for at in _all_periods(periods, request, wrong)}
    if wrong.zero_filled:
        periods = {at: dict.fromkeys(kept.types, 0) | row for at, row in periods.items()}
    left_out = {index % len(periods) for index in wrong.left_out if periods}
    rows = [
        _Item(at, "", {"date": wrong.date_text(at.date()), "transaction_types": periods[at]})
        for number, at in enumerate(sorted(periods))
        if number not in left_out
    ]
    per_day = [item.row for item in _page(request, wrong, rows)]
    codes = sorted({code for row in per_day for code in row["transaction_types"]})
    return {"per_day": per_day, "transaction_types": codes if wrong.types_listed else []}


def _all_periods(found: Iterable[datetime], request: Request, wrong: Chart) -> list[datetime]:
    grouping, (low, high) = _grouping(request, wrong), _window(request, wrong)
    ends = [*found, *(_later(end, wrong.zone) for end in (low, high) if end)]
    if not ends:
        return []
    starts = [_start(min(ends), grouping)]
    last = _start(max(ends), grouping)
    while starts[-1] < last:
        starts.append(_start(_later(_last(starts[-1], grouping), MICROSECOND), grouping))
    for _ in range(wrong.empty_periods or 0):
        starts.append(_start(_later(_last(starts[-1], grouping), MICROSECOND), grouping))
        starts.insert(0, _start(_later(starts[0], -MICROSECOND), grouping))
    return starts


_RESPONSES: dict[type[Endpoint], Callable[[_Kept, Request, Any], object]] = {
    Search: _search,
    Sums: _sums,
    Chart: _chart,
}
