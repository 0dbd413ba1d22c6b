"""Every transaction of one workspace or several, as files.  [extra: export]

::

    from flowhunt.export import export_credit_transactions

    report = export_credit_transactions(api, workspace_id, "credits", "2026-01-01", "2026-07-01")
    print(report)

Time is cut into windows, once; threads read them, prove them against the daily sums, and write each
to a file of its own. An export that was ended, however, goes on where it was. One that is complete
is brought up to date: windows whose sums have changed are read again, and those of a longer period
are added.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as time_of_day
from functools import partial
from itertools import chain
from os import PathLike
from pathlib import Path
from threading import Event
from typing import Any, Literal, ParamSpec, TypeVar

from flowhunt._extras import extra
from flowhunt.api.credits_api import CreditsApi
from flowhunt.api_client import ApiClient
from flowhunt.configuration import Configuration
from flowhunt.exceptions import ApiException, ApiTypeError, ApiValueError
from flowhunt.history import Difference, DifferenceError, DifferenceWarning, Plan, Window
from flowhunt.history._arguments import Timestamp, check_choice, check_count, period_asked
from flowhunt.history._plan import WindowReader, day_sums_of
from flowhunt.history._requests import Requests, RetryPolicy, Sleep
from flowhunt.history._workers import Workers

with extra("export"):
    from flowhunt.export._formats import Format, check_format
    from flowhunt.export._progress import Progress, Tell, told
    from flowhunt.export._report import ExportReport
    from flowhunt.export._store import REMEDY, Place, Store, opened, tables_of
    from flowhunt.history._columns import COLUMNS

__all__ = ["ExportReport", "Progress", "export_credit_transactions"]

PAGE_SIZE = 100
WORKERS = 8

Configurations = Mapping[str, Configuration] | Callable[[str], Configuration]
R = TypeVar("R")
P = ParamSpec("P")
Differences = list[tuple[str, Difference]]


def export_credit_transactions(
    api: CreditsApi | Configurations,
    workspace_id: str | Iterable[str],
    destination: str | PathLike[str],
    since: Timestamp,
    until: Timestamp,
    *,
    format: Format = "parquet",
    workers: int = WORKERS,
    page_size: int = PAGE_SIZE,
    verify: bool = True,
    on_difference: Literal["raise", "warn"] = "raise",
    progress: bool | Tell = True,
    zone: tzinfo = UTC,
    sleep: Sleep | None = None,
) -> ExportReport:
    """Write all transactions of a period to files, each exactly once.

    The destination becomes a directory of ``workspace=<id>/month=<month>/<window>.<format>``, with
    the columns of ``flowhunt.frames.transactions``. Run it again with the same words if it ended
    before its time: only what is missing is read. Run it with a later ``until`` to add what is new.

    :param api: what to call; or the configuration of each workspace, as a mapping from its ID or a
        function of it, since an API key belongs to one workspace
    :param workspace_id: one or several
    :param since: the first moment
    :param until: the moment after the last
    :param format: ``"parquet"``, ``"csv"`` or ``"jsonl"``
    :param workers: how many threads read; a client of yours needs as many connections
    :param page_size: the ``limit`` to ask with; the service may return fewer at once
    :param verify: compare with the daily sums, also what is there already
    :param on_difference: where transactions and sums differ, raise a ``DifferenceError``, or warn
        with a ``DifferenceWarning`` and write them all the same
    :param progress: show a bar if the output is a terminal or a notebook; or a function to call
        with a ``Progress`` after each window
    :param zone: the zone of moments without a UTC offset and of the days of the sums; it must have
        the same offset all year
    :param sleep: waits between tries, in place of the export's own way
    :raises ApiValueError: an argument makes no sense, or the destination holds something else
    :raises HistoryError: the history cannot be read whole; what is done stays done
    :raises ApiException: a call failed, and again when it was tried again; what is done stays done
    """
    began = time.monotonic()
    check_format(format)
    check_count("workers", workers)
    check_choice("on_difference", on_difference, ("raise", "warn"))
    first, end, zone_asked = period_asked(since, until, page_size, zone)
    ids = [workspace_id] if isinstance(workspace_id, str) else sorted(set(workspace_id))
    if not ids:
        raise ApiValueError("there is no workspace to export")
    closing = Event()
    with ExitStack() as stack:
        apis = _apis(api, ids, stack)
        policies = {each: RetryPolicy(sleep, closing) for each in apis.values()}
        readers = {
            of_id: WindowReader(
                Requests(each, of_id, policies[each]), COLUMNS, zone_asked, page_size
            )
            for of_id, each in apis.items()
        }
        store = stack.enter_context(opened(Path(destination).expanduser(), format))
        threads: Workers[Any] = stack.enter_context(Workers(workers, "flowhunt-export"))
        stack.callback(closing.set)  # before the threads are waited for
        plans = _plans(store, readers, first, end, zone_asked.offset, threads, verify=verify)
        cut_days = {bound.date() for bound in (first, end) if bound.time() != time_of_day()}
        run = _Run(store, readers, cut_days, verify=verify, on_difference=on_difference)
        run.read_missing(store.begin(plans, verify=verify), threads, progress)
        if verify and run.windows:
            # A row that arrived meanwhile may have stood in for one that was never returned.
            done = [store.as_done(plan) for plan in plans]
            plans = _refreshed(done, readers, threads, run.disputed)
            run.read_missing(store.begin(plans, verify=verify), threads, progress=False)
        run.warn()
        store.end()
    requests = [reader.requests for reader in readers.values()]
    return ExportReport(
        destination=store.directory,
        windows=len(store.done),
        windows_read=run.windows,
        rows=sum(done.rows for done in store.done.values()),
        rows_read=run.rows,
        amount=sum(done.amount for done in store.done.values()),
        requests=sum(of_workspace.sent for of_workspace in requests),
        retries=sum(of_workspace.sent - of_workspace.calls for of_workspace in requests),
        dropped=sum(of_workspace.received for of_workspace in requests) - run.rows,
        differences=tuple(run.differences),
        seconds=time.monotonic() - began,
    )


def _apis(
    api: CreditsApi | Configurations, ids: Sequence[str], stack: ExitStack
) -> dict[str, CreditsApi]:
    """What to call for each workspace; workspaces with one configuration share a client."""
    if not (isinstance(api, Mapping) or callable(api)):
        if not hasattr(api, "search_credit_transactions"):
            raise ApiTypeError(
                "api must be a CreditsApi, or the Configuration of each workspace: a mapping from "
                f"its ID or a function of it, not {type(api).__name__}"
            )
        return dict.fromkeys(ids, api)
    clients: dict[int, CreditsApi] = {}
    apis: dict[str, CreditsApi] = {}
    for workspace_id in ids:
        configuration = _configuration(api, workspace_id)
        if id(configuration) not in clients:
            client = ApiClient(configuration)
            clients[id(configuration)] = CreditsApi(stack.enter_context(client))
        apis[workspace_id] = clients[id(configuration)]
    return apis


def _configuration(configurations: Configurations, workspace_id: str) -> Configuration:
    if not isinstance(configurations, Mapping):
        found = configurations(workspace_id)
    elif workspace_id in configurations:
        found = configurations[workspace_id]
    else:
        raise ApiValueError(f"there is no configuration for the workspace {workspace_id!r}")
    if not isinstance(found, Configuration):
        raise ApiTypeError(
            f"for the workspace {workspace_id!r} there is a {type(found).__name__} "
            "and not a Configuration"
        )
    return found


def _plans(
    store: Store,
    readers: Mapping[str, WindowReader],
    since: datetime,
    until: datetime,
    offset: timedelta,
    threads: Workers[Any],
    *,
    verify: bool,
) -> Sequence[Plan]:
    """The plans as they are kept, or made now; brought up to date where nothing is left to do."""
    plans = store.plans
    if not plans:
        return _side_by_side(threads, readers, lambda reader: reader.plan(since, until))
    kept = {
        "workspaces": [plan.workspace_id for plan in plans],
        "since": plans[0].since,
        "zone": plans[0].utc_offset,
    }
    asked = {"workspaces": list(readers), "since": since, "zone": offset}
    for name, value in kept.items():
        if value != asked[name]:
            raise ApiValueError(
                f"{store.directory} is an export with {name}={value}, not {asked[name]}: {REMEDY}"
            )
    if until < plans[0].until:
        raise ApiValueError(
            f"{store.directory} is an export until {plans[0].until}, not {until}: {REMEDY}"
        )
    grows = until > plans[0].until
    if grows or store.is_complete:
        plans = [store.as_done(plan) for plan in plans]
        if verify:
            plans = _refreshed(plans, readers, threads)
    if grows:
        known = {plan.workspace_id: plan for plan in plans}
        plans = _side_by_side(
            threads,
            readers,
            lambda reader: reader.longer(known[reader.requests.workspace_id], until),
        )
    return plans


def _refreshed(
    plans: Iterable[Plan],
    readers: Mapping[str, WindowReader],
    threads: Workers[Any],
    ignoring: Collection[tuple[str, date]] = (),
) -> Sequence[Plan]:
    """The plans with other windows where the sums have changed.

    :param ignoring: workspaces and days that stay as they are
    """
    known = {plan.workspace_id: plan for plan in plans}

    def refreshed(reader: WindowReader) -> Plan:
        workspace_id = reader.requests.workspace_id
        days = [day for of_id, day in ignoring if of_id == workspace_id]
        return reader.refreshed(known[workspace_id], days)

    return _side_by_side(threads, readers, refreshed)


def _side_by_side(
    threads: Workers[Any],
    readers: Mapping[str, WindowReader],
    make: Callable[[WindowReader], Plan],
) -> Sequence[Plan]:
    """A plan for each workspace, made by several threads at once."""

    def plan_of(workspace_id: str) -> Plan:
        return _noting_workspace(workspace_id, make, readers[workspace_id])

    calls = [partial(plan_of, each) for each in readers]
    plans: dict[str, Plan] = {plan.workspace_id: plan for plan in threads.completed(calls)}
    return [plans[each] for each in readers]


def _noting_workspace(
    workspace_id: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Make a call; an error of it gets a note with the workspace, which its text does not name."""
    try:
        return call(*args, **kwargs)
    except ApiException as error:
        error.add_note(f"while exporting the workspace {workspace_id}")
        raise


class _Run:
    """Reads windows and keeps them."""

    def __init__(
        self,
        store: Store,
        readers: Mapping[str, WindowReader],
        cut_days: set[date],
        *,
        verify: bool,
        on_difference: Literal["raise", "warn"],
    ) -> None:
        self._cut_days = cut_days
        self._store = store
        self._readers = readers
        self._verify = verify
        self._raise = on_difference == "raise"
        self.windows = self.rows = 0
        self.differences: Differences = []

    def read_missing(
        self, missing: Mapping[Place, Window], threads: Workers[Any], progress: bool | Tell
    ) -> None:
        """Read windows, those without transactions last: the others show the time zone."""
        windows = [window for plan in self._store.plans for window in plan.windows]
        in_all = sum(window.rows for window in windows)
        to_read = sum(window.rows for window in missing.values())
        now = Progress(in_all - to_read, in_all, len(windows) - len(missing), len(windows))
        with told(progress, now) as tell:
            for empty in (False, True):
                work = [
                    partial(self._read, place, window)
                    for place, window in missing.items()
                    if empty is not bool(window.rows)
                ]
                # Of many windows, the first alone shows at which hours of the day rows are made.
                alone = 1 if len(work) > 2 * threads.count else 0
                in_turns = threads.completed(work[:alone]), threads.completed(work[alone:])
                for rows, differences in chain(*in_turns):
                    self.rows += rows
                    self.windows += 1
                    self.differences += differences
                    now = now._replace(rows=now.rows + rows, windows=now.windows + 1)
                    tell(now)

    @property
    def disputed(self) -> set[tuple[str, date]]:
        """The workspaces and days that differ from the sums."""
        return {(workspace_id, difference.day) for workspace_id, difference in self.differences}

    def warn(self) -> None:
        """Show the differences as a warning, if there are any."""
        if self.differences:
            found = [difference for _, difference in self.differences]
            warnings.warn(str(DifferenceError(found)), DifferenceWarning, stacklevel=3)

    def _read(self, place: Place, window: Window) -> tuple[int, Differences]:
        workspace_id, *_ = place
        reader = self._readers[workspace_id]
        part = _noting_workspace(workspace_id, reader.read, window, verify=self._verify)
        error = part.error
        if isinstance(error, DifferenceError):
            error.workspace_id = workspace_id
        if error and (self._raise or not isinstance(error, DifferenceError)):
            raise error
        name = window.first_moment
        sums = day_sums_of(part)
        for day in self._cut_days & window.sums.keys():  # the sums may count rows on the bound
            sums[day] = window.sums[day]
        if sums != window.sums:  # the next run compares what was read with what the sums say then
            window = window.model_copy(update={"sums": sums})
        self._store.keep(place, name, window, tables_of(part.batch))
        found = error.differences if isinstance(error, DifferenceError) else []
        return len(part.batch), [(workspace_id, difference) for difference in found]
