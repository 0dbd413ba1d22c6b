"""Made-up workspaces and months of their transactions, the same for the same seed everywhere.

Only `random.Random.random`, `randrange` and `getrandbits` are used, and integer weights: these
give the same numbers on every version of Python, which `choices`, `shuffle` and `sum` of floats
do not promise.
"""

# ruff: noqa: S311 - chances and data are to be predictable

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from flowhunt.sandbox._options import Options
from flowhunt.sandbox._schemas import CODES, UNLISTED_CODES, Timestamp, naive_utc, timestamp_text

UNITS = 1_000_000
"""Units of one credit; an assumption, since the API specification states no scale."""

DAYS = 181
"""Days that a made-up history covers."""

CONTEXTS = (
    "Support chatbot",
    "Sales assistant",
    "Blog writer",
    "Café menu translator ☕",
    "Invoice reader",
    "SEO audit flow",
    "Onboarding guide",
    "Ticket triage",
)


class Row(NamedTuple):
    """One transaction as the database keeps it; `amount` and `created_at` as in the JSON."""

    workspace: int
    created_at: str
    transaction_id: str
    user_id: str
    transaction_type: str
    context_id: str
    context_desc: str | None
    amount: int


@dataclass(frozen=True)
class Workspace:
    """A workspace of the sandbox.

    `index` is its place in `Sandbox.workspaces`, `user_id` its owner, `members` the users (the
    owner first) whom its transactions are assigned to, and `grant` the units it was once given:
    its balance is the grant minus what was spent.
    """

    index: int
    workspace_id: str
    api_key: str
    user_id: str
    members: tuple[str, ...]
    grant: int


class GivenTransaction(BaseModel):
    """A transaction that a test gives, as the JSON has it; missing fields are filled in."""

    model_config = ConfigDict(extra="forbid")

    transaction_id: str | None = None
    workspace_id: str | None = None
    user_id: str | None = None
    created_at: Timestamp | None = None
    transaction_type: str = CODES[0]
    context_id: str = "context"
    context_desc: str | None = None
    amount: int = Field(default=UNITS, strict=True, ge=-(2**63), lt=2**63)


def end_of_history(until: datetime | date | str | None) -> datetime:
    """The time of the last possible transaction, without an offset: now if none is given.

    :raises ValueError: it is no date or time, or leaves no room for a history before it
    """
    if until is None:
        return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    given = until
    if isinstance(until, str):
        read = date.fromisoformat if len(until) == len("2026-06-30") else datetime.fromisoformat
        try:
            until = read(until)
        except ValueError:
            raise ValueError(
                f"until must be as 2026-06-30 or 2026-06-30T22:00:00, not {given!r}"
            ) from None
    if isinstance(until, datetime):
        end = naive_utc(until)
    else:
        end = datetime.combine(until, time(23, 59, 59))  # a date stands for the end of the day
    if end.year < 2:
        raise ValueError(f"until must be after the year 1, for a history before it, not {given!r}")
    return end


def make_workspaces(seed: int, count: int, transactions: int) -> tuple[Workspace, ...]:
    """Make `count` workspaces; the main user owns the first two of every three."""
    rng = Random(f"{seed}/workspaces")
    main_user = _uuid(rng)
    return tuple(_workspace(rng, index, main_user, transactions) for index in range(count))


def _workspace(rng: Random, index: int, main_user: str, transactions: int) -> Workspace:
    owner = main_user if index % 3 < 2 else _uuid(rng)
    return Workspace(
        index=index,
        workspace_id=_uuid(rng),
        api_key=f"sandbox-key-{rng.getrandbits(96):024x}",
        user_id=owner,
        members=(owner, _uuid(rng), _uuid(rng)),
        # No transaction costs as much as a credit, so a generated history leaves a balance.
        grant=(1_000 + transactions + rng.randrange(1_000)) * UNITS,
    )


def make_access_token(seed: int) -> str:
    return f"sandbox-token-{Random(f'{seed}/token').getrandbits(96):024x}"


def make_transactions(
    seed: int, workspace: Workspace, count: int, options: Options, until: datetime
) -> Iterator[Row]:
    """Make `count` transactions of one workspace, spread over the days before `until`."""
    rng = Random(f"{seed}/transactions/{workspace.index}")
    random = rng.random
    codes = _codes(rng, options.unlisted_codes)
    contexts = [
        (_uuid(rng), None if place % 4 == 3 else description)
        for place, description in enumerate(CONTEXTS)
    ]
    sign = 1 if options.amount_sign == "positive" else -1
    last, end = until.date(), timestamp_text(until)
    day_before_all = (last - timedelta(days=DAYS)).isoformat()
    created_at = ""
    for day, transactions in _busy_days(rng, count, last):
        for _ in range(transactions):
            # Some share their timestamp with the one before, as rows made in one batch do.
            if random() >= 0.03 or not created_at:
                time_of_day = _time_of_day(random(), random(), random())
                created_at = day + time_of_day
                if created_at > end:  # the history is as long, only shifted by hours
                    created_at = day_before_all + time_of_day
            code, price = codes[int(random() * random() * len(codes))]
            context_id, context_desc = contexts[int(random() * len(contexts))]
            yield Row(
                workspace.index,
                created_at,
                _uuid(rng),
                workspace.members[int(random() * random() * len(workspace.members))],
                code,
                context_id,
                context_desc,
                sign * (price * (1 + int(random() * 20)) + int(random() * 1_000)),
            )


def fill_in(
    given: GivenTransaction, workspace: Workspace, until: datetime, origin: str, number: int
) -> Row:
    """Complete a transaction that was given in part; `origin` and `number` make its ID."""
    return Row(
        workspace.index,
        timestamp_text(given.created_at or until),
        given.transaction_id or _uuid(Random(f"{origin}/{number}")),
        given.user_id or workspace.user_id,
        given.transaction_type,
        given.context_id,
        given.context_desc,
        given.amount,
    )


def _codes(rng: Random, unlisted: bool) -> list[tuple[str, int]]:
    """A dozen types that a workspace uses, each with its price in units."""
    start = rng.randrange(len(CODES))
    codes = [CODES[(start + step * 7) % len(CODES)] for step in range(12)]
    if unlisted:
        codes[2:2] = UNLISTED_CODES
    return [(code, 1_000 * (1 + rng.randrange(40))) for code in codes]


def _busy_days(rng: Random, count: int, last: date) -> Iterator[tuple[str, int]]:
    """Distribute `count` transactions over the days, fewer to weekends."""
    days = [last - timedelta(days=number) for number in reversed(range(DAYS))]
    weights = [(10 if day.weekday() < 5 else 3) * (5 + rng.randrange(10)) for day in days]
    total = sum(weights)
    passed = 0
    for day, weight in zip(days, weights, strict=True):
        before = count * passed // total
        passed += weight
        yield day.isoformat(), count * passed // total - before


def _time_of_day(one: float, other: float, fraction: float) -> str:
    """A time between 6 and 22 o'clock, most in the afternoon; every fourth in full seconds."""
    minutes, second = divmod(int(6 * 3600 + (one + other) * 8 * 3600), 60)
    hour, minute = divmod(minutes, 60)
    microsecond = int(fraction * 1_000_000)
    text = f"T{hour:02}:{minute:02}:{second:02}"
    return f"{text}.{microsecond:06}" if microsecond > 250_000 else text


def _uuid(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
