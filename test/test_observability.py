"""What a program can observe of calls, without our own hooks and without a key."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.instrumentation.urllib3 import (  # pyright: ignore[reportMissingTypeStubs]
    URLLib3Instrumentor,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import flowhunt
from proxy_server import ProxyServer
from raw_server import Connect, RawServer, response

KEY = "key-s3cret"
BUSY = response({}, "503 No", {"Retry-After": "0"})


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Switches the instrumentation on when it is asked for: see ``instrument``."""
    exporter = InMemorySpanExporter()
    yield exporter
    URLLib3Instrumentor().uninstrument()


def instrument(exporter: InMemorySpanExporter) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    URLLib3Instrumentor().instrument(tracer_provider=provider)


@pytest.mark.parametrize("when", ["before", "after the first call"])
@pytest.mark.parametrize("way", ["direct", "proxy"])
def test_opentelemetry_sees_each_attempt_whenever_it_is_switched_on(
    when: str, way: str, connect: Connect, spans: InMemorySpanExporter
) -> None:
    with RawServer(response(), BUSY, response()) as server, ProxyServer() as proxy:
        api = connect(server, api_key=KEY)
        if way == "proxy":
            api.api_client.configuration.proxy = f"http://127.0.0.1:{proxy.port}"
        if when == "before":
            instrument(spans)
        api.get_credit_balance()
        if when != "before":
            instrument(spans)
        spans.clear()
        api.get_workspace_credit_balance("w-1")

    seen: list[Any] = list(spans.get_finished_spans())
    assert [span.attributes["http.status_code"] for span in seen] == [503, 200]
    assert {span.attributes["http.method"] for span in seen} == {"GET"}
    for span in seen:
        assert "/v2/credits/workspace_balance" in span.attributes["http.url"]
        assert "s3cret" not in span.to_json()


def record_of(caplog: pytest.LogCaptureFixture) -> Any:
    (record,) = [each for each in caplog.records if each.name == "flowhunt"]
    return record


def test_the_record_of_a_call_carries_its_facts_as_fields(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    good = response([], headers={"X-Request-ID": "request-1"})
    with caplog.at_level(logging.DEBUG, logger="flowhunt"), RawServer(BUSY, good) as server:
        connect(server, api_key=KEY).search_credit_transactions("w 1", {})

    record = record_of(caplog)
    assert record.operation == "search_credit_transactions"
    assert record.workspace_id == "w 1"
    assert (record.status, record.attempts, record.request_id) == (200, 2, "request-1")
    assert 0 < record.seconds < 60
    assert "s3cret" not in repr(vars(record))


def test_the_record_of_a_failed_call_too(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="flowhunt"):
        with pytest.raises(flowhunt.ApiConnectionException):
            connect("http://127.0.0.1:1", api_key=KEY).get_credit_balance()

    record = record_of(caplog)
    assert record.operation == "get_credit_balance"
    assert (record.workspace_id, record.status, record.request_id) == (None, None, None)
    assert record.attempts == 3


def test_a_request_id_that_echoes_the_key_is_not_in_the_record(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    echo = response(headers={"X-Request-ID": f"for {KEY}"})
    with caplog.at_level(logging.DEBUG, logger="flowhunt"), RawServer(echo) as server:
        connect(server, api_key=KEY).get_credit_balance()

    assert record_of(caplog).request_id == "for ***"
