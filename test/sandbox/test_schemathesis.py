"""Schemathesis holds the sandbox to the API specification."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings

from flowhunt.sandbox import Sandbox

SPECIFICATION = Path(__file__).parents[2] / "docs" / "openapi.yaml"


def nullable_spelled_out(schema: Any) -> Any:
    """The API specification with `type: [string, 'null']` as an `anyOf`.

    Of the short form Schemathesis does not see the `format`, and takes "" for a date-time.
    """
    if isinstance(schema, list):
        return [nullable_spelled_out(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    match schema.get("type"):
        case [str(kind), "null"]:
            return {"anyOf": [{**schema, "type": kind}, {"type": "null"}]}
        case _:
            return {key: nullable_spelled_out(value) for key, value in schema.items()}


schema = schemathesis.openapi.from_dict(
    nullable_spelled_out(yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8")))
)


@pytest.fixture(scope="module")
def listed() -> Iterator[Sandbox]:
    # Strictly a date-time has an offset; only prose states that it may be missing.
    with Sandbox(seed=7, unlisted_codes=False, timestamps="utc") as sandbox:
        yield sandbox


@schema.parametrize()  # pyright: ignore[reportUntypedFunctionDecorator]
@settings(
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_the_sandbox_keeps_the_specification(case: schemathesis.Case[Any], listed: Sandbox) -> None:
    if "workspace_id" in case.query:
        case.query["workspace_id"] = listed.workspace_id
    case.call_and_validate(base_url=listed.url, headers={"Api-Key": listed.api_key})
