"""The models: strict in requests, open in responses, and the same in both directions."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pydantic
import pytest
import yaml
from dateutil.parser import isoparse
from hypothesis import given
from hypothesis import strategies as st

import flowhunt
from flowhunt import (
    CreditBalanceResponse,
    CreditDailyChartDataRow,
    CreditDailyChartRequest,
    CreditDailyChartResponse,
    CreditTransactionResponse,
    CreditTransactionSearchRequest,
    GroupingPeriod,
    HTTPValidationError,
    Pagination,
    TransactionType,
    ValidationErrorLocInner,
)
from flowhunt.sandbox import Sandbox
from raw_server import TRANSACTION, RawServer, response

Json = dict[str, Any]
Strategy = st.SearchStrategy[Any]

SPECIFICATION = yaml.safe_load(
    (Path(__file__).parent.parent / "docs" / "openapi.yaml").read_text(encoding="utf-8")
)
SCHEMAS: dict[str, Json] = SPECIFICATION["components"]["schemas"]
MODELS = [name for name, schema in SCHEMAS.items() if schema["type"] == "object"]
REQUESTS = [name for name in MODELS if name.endswith("Request") or name == "Pagination"]


def model_of(name: str) -> Any:
    return getattr(flowhunt, name)


# What the API specification allows, as strategies


def shaped(schema: Json) -> Strategy:
    """Values of the specified shape, with new codes, new fields and offsets."""
    if "$ref" in schema:
        return named(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return st.one_of([shaped(each) for each in schema["anyOf"]])
    kinds = schema.get("type", ["null", "string", "integer", "boolean"])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return st.one_of([_SHAPES[kind](schema) for kind in kinds])


def named(name: str) -> Strategy:
    """Values of a schema; its codes too that the API specification does not list yet."""
    if name == "TransactionType":
        return shaped(SCHEMAS[name]) | st.text()
    if name in REQUESTS:
        return shaped(SCHEMAS[name]).filter(may_be_sent)
    return shaped(SCHEMAS[name])


def may_be_sent(request: Json) -> bool:
    start, end = request.get("created_at_from"), request.get("created_at_to")
    limit = request.get("limit")
    return (limit is None or limit > 0) and (not start or not end or not ends_first(start, end))


def ends_first(start: str, end: str) -> bool:
    timestamps = [isoparse(start), isoparse(end)]
    naive = [timestamp.tzinfo is None for timestamp in timestamps]
    return naive[0] == naive[1] and timestamps[1] < timestamps[0]


def texts(schema: Json) -> Strategy:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return timestamps() if schema.get("format") == "date-time" else st.text()


def timestamps() -> st.SearchStrategy[str]:
    """Timestamps as JSON may have them: naive, with an offset, with microseconds or not."""
    offsets = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
    naive = st.datetimes(datetime(1990, 1, 2), datetime(2090, 1, 1))
    aware = st.tuples(naive, offsets).map(lambda both: both[0].replace(tzinfo=both[1]))
    return (naive | aware).map(datetime.isoformat)


def objects(schema: Json) -> Strategy:
    properties: dict[str, Json] = schema.get("properties", {})
    if not properties:
        values = schema.get("additionalProperties", {"type": "string"})
        return st.dictionaries(st.text(), shaped(values), max_size=3)
    required = schema.get("required", [])
    return st.fixed_dictionaries(
        {name: shaped(properties[name]) for name in required},
        optional={name: shaped(each) for name, each in properties.items() if name not in required},
    )


_SHAPES: dict[str, Callable[[Json], Strategy]] = {
    "string": texts,
    "integer": lambda _: st.integers(),
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
    "object": objects,
    "array": lambda schema: st.lists(shaped(schema["items"]), max_size=3),
}


def comparable(value: Any) -> Any:
    """A JSON value whose timestamps are equal where only their spelling differs (Z and +00:00)."""
    if isinstance(value, dict):
        return {
            key: isoparse(item) if str(key).startswith("created_at") and item else comparable(item)
            for key, item in value.items()
        }
    return [comparable(item) for item in value] if isinstance(value, list) else value


def sent_too(name: str) -> Json:
    """What a request says by itself."""
    fields: dict[str, Json] = SCHEMAS[name]["properties"] if name in REQUESTS else {}
    return {field: schema["default"] for field, schema in fields.items() if "default" in schema}


@pytest.mark.parametrize("name", MODELS)
def test_json_names_are_read_and_written_again(name: str) -> None:
    model = model_of(name)

    @given(given_=named(name))
    def check(given_: Json) -> None:
        text = json.dumps(given_)
        read = model.from_json(text)

        assert read == model.from_json(text.encode()) == model.from_dict(given_)
        assert comparable(json.loads(read.to_json())) == comparable({**sent_too(name), **given_})
        assert model.from_json(read.to_json()) == read
        assert model.from_dict(read.to_dict()) == read
        assert model.model_validate(read) == read
        assert copy.deepcopy(read) == read
        assert pickle.loads(pickle.dumps(read)) == read  # noqa: S301  our own
        assert isinstance(read.to_str(), str)

    check()


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_none(name: str) -> None:
    model = model_of(name)

    assert model.from_dict(None) is None
    for null in ("null", b"null", " null\n"):
        assert model.from_json(null) is None


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "5"])
def test_text_that_is_no_object_is_refused(name: str, text: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        model_of(name).from_json(text)


REQUIRED = [(name, field) for name in MODELS for field in SCHEMAS[name].get("required", [])]
WHOLE: dict[str, Json] = {
    "CreditBalanceResponse": {"user_id": "u", "credits": 1},
    "CreditTransactionResponse": TRANSACTION,
    "CreditDailyTransactionResponse": {
        "created_at": "2021-01-01T00:00:00",
        "workspace_id": "w",
        "transaction_type": "G",
        "amount": 1,
        "cnt": 1,
    },
    "CreditDailyChartResponse": {"per_day": [], "transaction_types": []},
    "CreditDailyChartDataRow": {"date": "2021-01-01", "transaction_types": {}},
    "ValidationError": {"loc": [], "msg": "m", "type": "t"},
}


@pytest.mark.parametrize(("name", "field"), REQUIRED)
def test_response_without_a_required_field_is_refused(name: str, field: str) -> None:
    whole = WHOLE[name]
    assert model_of(name).from_dict(whole).to_dict().keys() == whole.keys()

    for broken in ({k: v for k, v in whole.items() if k != field}, {**whole, field: None}):
        with pytest.raises(pydantic.ValidationError, match=field):
            model_of(name).from_dict(broken)


# Fields


@pytest.mark.parametrize("name", [name for name in MODELS if name not in REQUESTS])
def test_unknown_fields_of_a_response_are_kept(name: str) -> None:
    given_ = {**WHOLE.get(name, {}), "brand_new": {"a": [1, None]}}

    read = model_of(name).from_json(json.dumps(given_))

    assert read.model_extra == {"brand_new": {"a": [1, None]}}
    assert read.brand_new == {"a": [1, None]}
    assert read.to_dict()["brand_new"] == {"a": [1, None]}
    assert json.loads(read.to_json()) == given_


@pytest.mark.parametrize("name", REQUESTS)
def test_unknown_fields_of_a_request_are_refused(name: str) -> None:
    model = model_of(name)
    for attempt in (
        lambda: model(no_such_field=1),
        lambda: model.from_dict({"no_such_field": 1}),
        lambda: model.from_json('{"no_such_field": 1}'),
        lambda: setattr(model(), "no_such_field", 1),
    ):
        with pytest.raises((pydantic.ValidationError, ValueError), match="no_such_field"):
            attempt()


def test_null_that_was_set_is_not_null_that_was_not() -> None:
    unset = CreditTransactionSearchRequest()
    null = CreditTransactionSearchRequest(context_id=None, limit=None)

    assert unset.to_dict() == {"limit": 100}
    assert null.to_dict() == {"context_id": None, "limit": None}
    assert json.loads(null.to_json()) == {"context_id": None, "limit": None}
    assert unset.context_id is null.context_id is None

    unset.transaction_id = None
    assert unset.to_dict() == {"transaction_id": None, "limit": 100}


@pytest.mark.parametrize("desc", [{}, {"context_desc": None}, {"context_desc": "Café ☕"}])
def test_a_response_keeps_whether_a_null_was_received(desc: Json) -> None:
    row = CreditTransactionResponse.from_dict({**TRANSACTION, **desc})

    assert row is not None
    assert row.context_desc == desc.get("context_desc")
    assert json.loads(row.to_json()) == {**TRANSACTION, **desc}


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (CreditTransactionSearchRequest(), {"limit": 0, "transaction_type": 5, "pagination": "p"}),
        (CreditDailyChartRequest(), {"grouping": "day", "created_at_from": "yesterday"}),
        (Pagination(), {"scroll_id": 5}),
        (CreditBalanceResponse(user_id="u", credits=1), {"credits": 1.5, "user_id": None}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_assignment_is_checked(model: pydantic.BaseModel, changes: Json) -> None:
    before = model.model_dump()
    for name, value in changes.items():
        with pytest.raises(pydantic.ValidationError, match=name):
            setattr(model, name, value)
    assert model.model_dump() == before


def test_assignment_converts_as_the_constructor_does() -> None:
    request: Any = CreditDailyChartRequest()
    request.grouping = "week"
    request.transaction_type = "BRAND_NEW"

    assert request.grouping is GroupingPeriod.WEEK
    assert request.transaction_type is TransactionType("BRAND_NEW")


def test_date_of_a_chart_row_is_var_date() -> None:
    row = CreditDailyChartDataRow.from_json('{"date": "2021-01-01", "transaction_types": {"G": 1}}')

    assert row is not None
    assert row.var_date == "2021-01-01"
    by_name: dict[str, Any] = {"var_date": "2021-01-01", "transaction_types": {"G": 1}}
    assert row == CreditDailyChartDataRow(**by_name)
    assert row.to_dict() == {"date": "2021-01-01", "transaction_types": {"G": 1}}
    assert row.to_json() == '{"date":"2021-01-01","transaction_types":{"G":1}}'
    assert row.to_str() == "{'date': '2021-01-01', 'transaction_types': {'G': 1}}"


# Timestamps


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("2021-01-01T00:00:00", datetime(2021, 1, 1)),
        ("2021-01-01T00:00:00.000001", datetime(2021, 1, 1, microsecond=1)),
        ("2021-01-01T00:00:00Z", datetime(2021, 1, 1, tzinfo=UTC)),
        (
            "2021-01-01T00:00:00+05:30",
            datetime(2021, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        ),
    ],
)
def test_timestamps_keep_the_offset_they_have(text: str, timestamp: datetime) -> None:
    row = CreditTransactionResponse.from_dict({**TRANSACTION, "created_at": text})
    request = CreditDailyChartRequest(created_at_from=timestamp)

    assert row is not None
    assert row.created_at == timestamp
    assert row.created_at.utcoffset() == timestamp.utcoffset()
    assert json.loads(row.to_json())["created_at"] == text
    assert json.loads(request.to_json())["created_at_from"] == text
    assert request.to_dict() == {"created_at_from": timestamp}


# Integers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("-5", -5),
        ("5.0", 5),
        ("1e3", 1000),
        ("-0.0", 0),
        ("9007199254740991.0", 2**53 - 1),
        ("9" * 30, int("9" * 30)),
    ],
)
def test_integral_numbers_are_integers(text: str, number: int) -> None:
    balance = CreditBalanceResponse.from_json(f'{{"user_id": "u", "credits": {text}}}')
    chart = CreditDailyChartDataRow.from_json(
        f'{{"date": "2021-01-01", "transaction_types": {{"G": {text}}}}}'
    )

    assert balance is not None
    assert chart is not None
    for read in (balance.credits, chart.transaction_types["G"]):
        assert read == number
        assert type(read) is int


@pytest.mark.parametrize(
    "text",
    [
        *("1.5", "5e-1", "true", '"5"', "null", "[]", "1e999", "NaN"),
        "9007199254740993.0",  # read as a float it is another number
        "-1e16",
    ],
)
def test_other_values_are_no_integers(text: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="credits\n"):
        CreditBalanceResponse.from_json(f'{{"user_id": "u", "credits": {text}}}')


def test_errors_of_a_response_do_not_show_its_values() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        CreditBalanceResponse.from_json('{"user_id": "u", "credits": "a-private-value"}')

    assert "a-private-value" not in str(caught.value)


# Codes


@pytest.mark.parametrize("code", SCHEMAS["TransactionType"]["enum"])
def test_codes_of_the_specification_are_members(code: str) -> None:
    member = TransactionType(code)

    assert member is getattr(TransactionType, code)
    assert member.is_known
    assert (member.name, member.value, str(member)) == (code, code, code)
    assert repr(member) == f"<TransactionType.{code}: {code!r}>"


@pytest.mark.parametrize("code", ["BRAND_NEW", "g", "", " ", "Ü☕", "name", "is_known"])
def test_a_new_code_is_a_member_that_keeps_its_text(code: str) -> None:
    member = TransactionType(code)

    assert isinstance(member, TransactionType)
    assert not member.is_known
    assert member == code == member.value == str(member) == f"{member}"
    assert hash(member) == hash(code)
    by_code: dict[str, int] = {code: 1}
    assert by_code[member] == 1
    assert code in {member}
    assert member != TransactionType.G
    assert repr(member) == f"<TransactionType.{code}: {code!r} (not in the API specification)>"
    assert json.dumps(member) == json.dumps(code)
    assert list(TransactionType) == [TransactionType(c) for c in SCHEMAS["TransactionType"]["enum"]]


@pytest.mark.parametrize("code", ["G", "BRAND_NEW"])
def test_a_code_is_one_object_however_it_is_received(code: str) -> None:
    member = TransactionType(code)
    row = CreditTransactionResponse.from_dict({**TRANSACTION, "transaction_type": code})
    chart = CreditDailyChartResponse.from_dict({"per_day": [], "transaction_types": [code]})

    assert row is not None
    assert chart is not None
    assert TransactionType(code) is member
    assert TransactionType(member) is member
    assert TransactionType.from_json(json.dumps(code)) is member
    assert copy.copy(member) is member
    assert copy.deepcopy(member) is member
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(member, protocol)) is member  # noqa: S301  our own
    assert row.transaction_type is member
    assert chart.transaction_types == [member]
    assert chart.transaction_types[0] is member


@pytest.mark.parametrize("wrong", [5, None, b"G", ["G"], True], ids=repr)
def test_what_is_no_text_is_no_code(wrong: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid TransactionType"):
        TransactionType(wrong)
    with pytest.raises(pydantic.ValidationError, match="transaction_type"):
        CreditTransactionResponse.from_dict({**TRANSACTION, "transaction_type": wrong})


def test_a_new_code_never_costs_a_page(connect: Callable[..., flowhunt.CreditsApi]) -> None:
    rows = [{**TRANSACTION, "transaction_type": code} for code in ("G", "BRAND_NEW", "K")]
    with RawServer(response(rows)) as server:
        page = connect(server).search_credit_transactions("w", {})

    assert [row.transaction_type for row in page] == ["G", "BRAND_NEW", "K"]
    assert [row.transaction_type.is_known for row in page] == [True, False, True]


def test_more_new_codes_than_are_remembered_are_members_all_the_same() -> None:
    members = [TransactionType(f"MANY_{number}") for number in range(11_000)]

    assert {str(member) for member in members} == {f"MANY_{number}" for number in range(11_000)}
    assert members[-1] == TransactionType("MANY_10999")
    assert members[-1] in {"MANY_10999"}
    assert not members[-1].is_known
    assert TransactionType("G") is TransactionType.G


@pytest.mark.parametrize("period", GroupingPeriod)
def test_grouping_periods(period: GroupingPeriod) -> None:
    assert GroupingPeriod.from_json(json.dumps(period.value)) is period
    assert GroupingPeriod(period.value) is period
    assert str(period) == period.value == period


def test_grouping_periods_are_those_of_the_specification() -> None:
    assert [period.value for period in GroupingPeriod] == SCHEMAS["GroupingPeriod"]["enum"]
    with pytest.raises(ValueError, match="'day' is not a valid GroupingPeriod"):
        GroupingPeriod.from_json('"day"')


# What a 422 says


@pytest.mark.parametrize("step", ["body", 0, -1, ""])
def test_step_of_a_location(step: str | int) -> None:
    inner: Any = ValidationErrorLocInner(step)

    assert inner.actual_instance == step
    assert type(inner.actual_instance) is type(step)
    assert str(inner) == str(step)
    assert inner.to_json() == json.dumps(step)
    assert inner.to_dict() == step
    assert ValidationErrorLocInner.from_json(json.dumps(step)) == inner


@pytest.mark.parametrize("text", ["1.5", "true", "[]", "{}"])
def test_step_of_a_location_is_text_or_integer(text: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        ValidationErrorLocInner.from_json(text)


def test_a_real_422_is_read(sandbox: Sandbox) -> None:
    with flowhunt.ApiClient(sandbox.configuration()) as client:
        client.configuration.client_side_validation = False
        with pytest.raises(flowhunt.UnprocessableEntityException) as caught:
            flowhunt.CreditsApi(client).search_credit_transactions(
                sandbox.workspace_id, {"limit": "many", "created_at_from": "yesterday"}
            )

    error = caught.value
    assert error.status == 422
    assert isinstance(error.data, HTTPValidationError)
    assert error.data.detail is not None
    where = [[step.actual_instance for step in problem.loc] for problem in error.data.detail]
    assert sorted(where) == [["body", "created_at_from"], ["body", "limit"]]
    assert all(problem.msg and problem.type for problem in error.data.detail)
    assert error.detail is not None
    assert "body.limit: " in error.detail
    assert "body.created_at_from: " in error.detail
    assert error.detail.split("; ")[0] in str(error)


LISTED = {"detail": [{"loc": ["body", "per", 0], "msg": "is odd", "type": "t"}]}


@pytest.mark.parametrize(
    ("body", "detail", "is_model"),
    [
        (LISTED, "body.per.0: is odd", True),
        ({"detail": LISTED["detail"] * 2}, "body.per.0: is odd; body.per.0: is odd", True),
        ({"detail": []}, "", True),
        ({"detail": None}, None, True),
        ({}, None, True),
        ({"detail": "no such workspace"}, "no such workspace", False),
        ({"detail": {"code": 7}}, '{"code": 7}', False),
        ({"detail": ["odd", {"msg": "m"}]}, "odd; m", False),
        ({"message": "m"}, None, True),
        (["detail"], None, False),
        (b"not JSON", None, False),
        (b"", None, False),
        (b"\xff", None, False),
    ],
    ids=repr,
)
def test_detail_of_an_error(
    connect: Callable[..., flowhunt.CreditsApi], body: Any, detail: str | None, is_model: bool
) -> None:
    with (
        RawServer(response(body, "422 Unprocessable Entity")) as server,
        pytest.raises(flowhunt.UnprocessableEntityException) as caught,
    ):
        connect(server).get_workspace_credit_balance("w")

    assert caught.value.detail == detail
    assert isinstance(caught.value.data, HTTPValidationError) is is_model
    if detail:
        assert detail in str(caught.value)


BERLIN = ZoneInfo("Europe/Berlin")


def test_a_window_over_a_repeated_hour_is_compared_in_utc() -> None:
    first = datetime(2026, 10, 25, 2, 50, tzinfo=BERLIN)
    second = datetime(2026, 10, 25, 2, 20, fold=1, tzinfo=BERLIN)  # half an hour later

    window = flowhunt.CreditDailyChartRequest(created_at_from=first, created_at_to=second)
    assert (window.created_at_from, window.created_at_to) == (first, second)
    with pytest.raises(pydantic.ValidationError, match="ends before it begins"):
        flowhunt.CreditDailyChartRequest(created_at_from=second, created_at_to=first)


def test_a_window_of_two_zones_is_compared_in_utc() -> None:
    first = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    second = datetime(2026, 1, 1, 8, tzinfo=UTC)
    window = flowhunt.CreditDailyChartRequest(created_at_from=first, created_at_to=second)
    assert window.created_at_to == second
    with pytest.raises(pydantic.ValidationError, match="ends before it begins"):
        flowhunt.CreditDailyChartRequest(created_at_from=second, created_at_to=first)


@pytest.mark.parametrize(
    "kind",
    [
        flowhunt.CreditTransactionSearchRequest,
        flowhunt.CreditDailyTransactionSearchRequest,
        flowhunt.CreditDailyChartRequest,
    ],
)
@pytest.mark.parametrize("day", [date(2026, 6, 30), "2026-06-30", b"2026-06-30"], ids=repr)
def test_a_date_as_the_upper_bound_is_its_whole_day(kind: Any, day: object) -> None:
    request = kind(created_at_from=day, created_at_to=day)

    assert request.created_at_from == datetime(2026, 6, 30)
    assert request.created_at_to == datetime(2026, 6, 30, 23, 59, 59, 999999)
    request.created_at_to = date(2026, 7, 1)
    assert "2026-07-01T23:59:59.999999" in request.to_json()


@pytest.mark.parametrize("wrong", ["2026-02-30", "2026-13-01", "2026-6-30 "])
def test_a_text_that_is_no_day_is_refused_as_the_upper_bound(wrong: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="created_at_to"):
        flowhunt.CreditDailyChartRequest.from_dict({"created_at_to": wrong})


def test_a_text_with_a_time_stays_that_time_as_the_upper_bound() -> None:
    request = flowhunt.CreditDailyChartRequest.from_dict({"created_at_to": "2026-06-30T00:00:00"})
    assert request is not None
    assert request.created_at_to == datetime(2026, 6, 30)
