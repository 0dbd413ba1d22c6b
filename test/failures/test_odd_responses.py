"""An odd response with status 200 is decoded, or is an error that states why; never ``None``."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from typing import Any

import pytest
import urllib3

import flowhunt
from failures import CHART, ENDPOINTS, FORMS, ROW, SUM, Endpoint, outcome
from flowhunt.exceptions import ApiConnectionException, ApiException, InvalidResponseException
from raw_server import BALANCE, Connect, Connection, RawServer, Response, response

UNICODE = {"user_id": "Zoë 🐍", "credits": 1}
TEXT = json.dumps(UNICODE, ensure_ascii=False)


def balance_of(connect: Connect, *responses: Response, **settings: Any) -> Any:
    with RawServer(*responses) as server:
        return connect(server, **settings).get_credit_balance().to_dict()


def misfit_of(connect: Connect, respond: Response) -> str:
    with RawServer(respond) as server:
        with pytest.raises(InvalidResponseException) as caught:
            connect(server).get_credit_balance()
        assert len(server.requests) == 1
    return str(caught.value)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("line", ["200 ", "200", "201 Created", "202 A", "203 N", "206 P", "299 X"])
def test_every_status_below_300_is_a_success(
    line: str, endpoint: Endpoint, connect: Connect
) -> None:
    with RawServer(response(endpoint.response, line)) as server:
        info = endpoint.call(connect(server), FORMS[1])

    assert info.status_code == int(line[:3])
    assert info.data
    assert json.loads(info.raw_data) == endpoint.response


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json; charset="UTF8"',
        "application/json;charset=",
        "application/json; charset=us-ascii",
        "application/problem+json",
        "text/html",
        "text/plain; format=flowed",
        "application/octet-stream",
        "\xe4\xf6\xfc",
        ";;;===",
        "x" * 5000,
    ],
)
def test_json_is_read_whatever_the_content_type_says(content_type: str, connect: Connect) -> None:
    respond = response(TEXT.encode(), headers={"Content-Type": content_type})

    assert balance_of(connect, respond) == UNICODE


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-16", "utf-16"),
        ("UTF-16LE", "utf-16-le"),
        ("utf-32", "utf-32"),
        ("utf-8", "utf-8-sig"),
        ("", "utf-8-sig"),
    ],
)
def test_a_charset_and_a_byte_order_mark_are_understood(
    charset: str, codec: str, connect: Connect
) -> None:
    kind = f"application/json; charset={charset}"

    assert (
        balance_of(connect, response(TEXT.encode(codec), headers={"Content-Type": kind})) == UNICODE
    )


def test_a_byte_order_mark_that_the_charset_makes_needless_is_skipped(connect: Connect) -> None:
    kind = "application/json; charset=utf-16-be"
    body = f"\ufeff{TEXT}".encode("utf-16-be")

    assert balance_of(connect, response(body, headers={"Content-Type": kind})) == UNICODE


@pytest.mark.parametrize(
    "charset", ["latin-1", "iso-8859-1", "ISO-8859-15", "windows-1252", "cp1252"]
)
def test_older_charsets_are_understood(charset: str, connect: Connect) -> None:
    body = '{"user_id": "Zoë", "credits": 1}'.encode(charset)
    kind = f'application/json; charset="{charset}"'

    assert balance_of(connect, response(body, headers={"Content-Type": kind}))["user_id"] == "Zoë"


@pytest.mark.parametrize(
    "charset",
    ["klingon", "utf-99", "base64", "rot13", "hex", "zlib", "punycode", "idna", "unicode_escape",
     "raw_unicode_escape", "undefined", "mbcs", "-", "\xe4", "x" * 1000],
)  # fmt: skip
def test_what_is_no_charset_is_an_error_that_names_it(charset: str, connect: Connect) -> None:
    kind = f"application/json; charset={charset}"
    text = misfit_of(connect, response(b'"\\q\xe4', headers={"Content-Type": kind}))

    assert "charset=" in text


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def gzip_in_deflate(body: bytes) -> bytes:
    return zlib.compress(gzip.compress(body))


def gzip_in_two_parts(body: bytes) -> bytes:
    return gzip.compress(body[:9]) + gzip.compress(body[9:])


def padded_gzip(body: bytes) -> bytes:
    return gzip.compress(body) + b"\0" * 100


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", bare_deflate),
        ("gzip, deflate", gzip_in_deflate),
        ("identity", bytes),
        ("gzip", gzip_in_two_parts),
        ("gzip", padded_gzip),
    ],
)
def test_compressed_responses_are_opened(encoding: str, pack: Any, connect: Connect) -> None:
    respond = response(pack(TEXT.encode()), headers={"Content-Encoding": encoding})

    assert balance_of(connect, respond) == UNICODE


@pytest.mark.parametrize(
    "respond",
    [
        response(headers={"Content-Encoding": "gzip"}),
        response(gzip.compress(TEXT.encode())[:-12], headers={"Content-Encoding": "gzip"}),
        response(gzip.compress(TEXT.encode()), headers={"Content-Encoding": "gzip, gzip"}),
        response(headers={"Content-Encoding": ", ".join(["gzip"] * 9)}),
        response(gzip.compress(TEXT.encode())),
    ],
    ids=["not gzip", "cut gzip", "once too few", "nine times", "not said"],
)
def test_what_cannot_be_opened_is_an_error(respond: bytes, connect: Connect) -> None:
    with RawServer(respond) as server:
        with pytest.raises(ApiException) as caught:
            connect(server).get_credit_balance()

    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"user_id": "u", "credits": 1e3}', 1000),
        (b'{"user_id": "u", "credits": 1000.0}', 1000),
        (b'{"user_id": "u", "credits": -0}', 0),
        (b'{"user_id": "u", "credits": -5}', -5),
        (b'{"user_id": "u", "credits": 9007199254740993}', 2**53 + 1),
        (b'{"user_id": "u", "credits": 1' + b"0" * 400 + b"}", 10**400),
        (b' \r\n\t{"user_id": "u", "credits": 7}\n\n ', 7),
        (b'{"credits": 1, "user_id": "u", "credits": 7}', 7),
    ],
)
def test_a_number_is_read_exactly(body: bytes, expected: int, connect: Connect) -> None:
    credits = balance_of(connect, response(body))["credits"]

    assert credits == expected
    assert type(credits) is int


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1.5", "1e400", "9007199254740993.0", "1e30", "true", "null",
     '"5"', "[]", "0x10", "01", "1_000", "+1", "1" * 10_000],
)  # fmt: skip
def test_what_is_no_exact_integer_is_an_error_that_names_the_place(
    number: str, connect: Connect
) -> None:
    text = misfit_of(connect, response(b'{"user_id": "u", "credits": %s}' % number.encode()))

    assert "at credits: " in text or "not JSON" in text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "an empty body"),
        (b"null", "does not fit at the body"),
        (b"[]", "does not fit at the body"),
        (b'{"user_id": "u"}', "does not fit at credits: Field required. The"),
        (b"{}", "does not fit at user_id: Field required, and 1 more"),
        (b"<html>", "not JSON"),
        (b'{"user_id": "u", "credits": 1} trailing', "not JSON"),
        (b'{"user_id": "u", "credits": 1}{"user_id": "v", "credits": 2}', "not JSON"),
        (b")]}',\n" + TEXT.encode(), "not JSON"),
        (b"\xef\xbb\xbf\xef\xbb\xbf" + TEXT.encode(), "not JSON"),
        (b"\0" + TEXT.encode(), "not JSON"),
        (TEXT.encode("utf-16"), "not JSON"),
    ],
)
def test_the_error_names_what_is_odd(body: bytes, said: str, connect: Connect) -> None:
    text = misfit_of(connect, response(body))

    assert "returned 200 OK with " in text
    assert said in text
    assert text.endswith("The complete response is in .body")


@pytest.mark.parametrize(
    ("content_type", "said"), [("text/html", "text/html"), ("", "no Content-Type")]
)
def test_the_error_says_what_the_response_called_itself(
    content_type: str, said: str, connect: Connect
) -> None:
    text = misfit_of(connect, response(b"<html>", headers={"Content-Type": content_type}))

    assert f"not JSON ({said})" in text


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("form", FORMS[:2])
def test_an_array_where_an_object_belongs_and_the_other_way_round_is_an_error(
    endpoint: Endpoint, form: str, connect: Connect
) -> None:
    turned = (
        {"items": endpoint.response} if isinstance(endpoint.response, list) else [endpoint.response]
    )
    with RawServer(response(turned)) as server:
        with pytest.raises(InvalidResponseException):
            endpoint.call(connect(server), form)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_new_fields_are_kept_everywhere(endpoint: Endpoint, connect: Connect) -> None:
    def with_more(value: Any, *, is_map: bool = False) -> Any:
        if isinstance(value, list):
            return [with_more(item) for item in value]
        if not isinstance(value, dict) or is_map:
            return value
        grown = {k: with_more(v, is_map=k == "transaction_types") for k, v in value.items()}
        return {**grown, "brand_new": {"a": [1, None]}}

    expected = with_more(endpoint.response)
    with RawServer(response(expected)) as server:
        respond = endpoint.call(connect(server))

    rows = respond if isinstance(respond, list) else [respond]
    read = [row.model_dump(mode="json", by_alias=True, exclude_unset=True) for row in rows]
    assert read == (expected if isinstance(expected, list) else [expected])
    assert all(row.model_extra == {"brand_new": {"a": [1, None]}} for row in rows)


NEW_CODES = ["BRAND_NEW", "", "g", "G ", "Ünïcode", "x" * 1000]


class TestNewCodes:
    """A transaction code that the API specification does not list costs neither row nor page."""

    @pytest.mark.parametrize("code", NEW_CODES)
    @pytest.mark.parametrize(("endpoint", "row"), [(ENDPOINTS[2], ROW), (ENDPOINTS[3], SUM)])
    def test_in_a_row(self, code: str, endpoint: Endpoint, row: Any, connect: Connect) -> None:
        page = [row, {**row, "transaction_type": code}, row]
        with RawServer(response(page)) as server:
            types = [found.transaction_type for found in endpoint.call(connect(server))]

        assert types == ["G", code, "G"]
        assert [found.is_known for found in types] == [True, False, True]

    @pytest.mark.parametrize("code", NEW_CODES)
    def test_in_a_chart(self, code: str, connect: Connect) -> None:
        chart = {
            "per_day": [{"date": "2026-01-01", "transaction_types": {"G": 1, code: 2}}],
            "transaction_types": ["G", code],
        }
        with RawServer(response(chart)) as server:
            found = ENDPOINTS[4].call(connect(server))

        assert found.per_day[0].transaction_types == {"G": 1, code: 2}
        assert found.transaction_types == ["G", code]


def test_a_chart_s_own_sample_is_read_completely(connect: Connect) -> None:
    with RawServer(response(CHART)) as server:
        assert ENDPOINTS[4].call(connect(server)).to_dict() == CHART


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: {n}\r\nContent-Length: {n}",
        "Content-Length: {n}, {n}",
        "Content-Length: 0{n}",
    ],
)
def test_the_same_length_twice_is_one_length(head: str, connect: Connect) -> None:
    body = json.dumps(BALANCE).encode()
    lines = head.format(n=len(body))
    respond = f"HTTP/1.1 200 OK\r\n{lines}\r\nConnection: close\r\n\r\n".encode() + body

    def send_and_close(connection: Connection) -> None:
        connection.send(respond)
        connection.close()

    assert balance_of(connect, send_and_close) == BALANCE


@pytest.mark.parametrize("size", ["-5", "-1", "+5", "0x5", " ", "5;" + "x" * 70_000, "f" * 40])
def test_an_odd_chunk_size_is_an_error_with_a_name_or_harmless(size: str, connect: Connect) -> None:
    def send_and_close(connection: Connection) -> None:
        head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n"
        connection.send(head.encode() + b"12345\r\n0\r\n\r\n")
        connection.close()

    with RawServer(send_and_close) as server:
        with pytest.raises(ApiException):
            connect(server, retries=0).get_credit_balance()


def test_a_response_until_the_end_of_the_connection_is_complete(connect: Connect) -> None:
    def until_close(connection: Connection) -> None:
        connection.send(b"HTTP/1.0 200 OK\r\n\r\n" + TEXT.encode())
        connection.close()

    assert balance_of(connect, until_close) == UNICODE


def test_continue_is_skipped(connect: Connect) -> None:
    assert balance_of(connect, b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + response()) == BALANCE


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", ["101 Switching Protocols", "102 Processing", "103 Early Hints"])
def test_an_interim_response_never_gives_its_call_s_response_to_the_next(
    status: str, form: str, connect: Connect
) -> None:
    asked_again = threading.Event()

    def answer_late(connection: Connection) -> None:
        connection.send(f"HTTP/1.1 {status}\r\nLink: </x>\r\n\r\n".encode())
        asked_again.wait(0.5)
        connection.send(response({"user_id": "the first one's", "credits": 1}))

    def respond(connection: Connection) -> None:
        asked_again.set()
        connection.send(response())

    with RawServer(answer_late, respond) as server:
        api = connect(server)
        first = outcome(lambda: ENDPOINTS[0].call(api, form))
        if isinstance(first, urllib3.BaseHTTPResponse):
            assert first.status == (101 if status.startswith("101") else 200)
            first.read()
            first.release_conn()
        elif status.startswith("101"):
            assert (type(first), first.status) == (InvalidResponseException, 101)
        else:
            balance = first if form == "" else first.data
            assert balance.user_id == "the first one's"

        assert api.get_credit_balance().user_id == BALANCE["user_id"]


@pytest.mark.parametrize("interim", ["102 Processing", "103 Early Hints", "199 Whatever"])
def test_an_interim_response_is_not_taken_for_the_response(interim: str, connect: Connect) -> None:
    head = f"HTTP/1.1 {interim}\r\nLink: </x>\r\nContent-Length: 9\r\n\r\n".encode()
    assert balance_of(connect, head * 3 + response()) == BALANCE


def test_interim_responses_without_end_are_not_read_without_end(connect: Connect) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000
    with RawServer(hints + response()) as server:
        with pytest.raises(ApiException, match="HTTPException"):
            connect(server, retries=0).get_credit_balance()


@pytest.mark.parametrize(
    "length", ["+{n}", "-{n}", "{n}.0", "0x{n}", "{n}_0", "{n} {n}", "{n}, +{n}", "\xb2", "{n}, "]
)
def test_a_length_that_is_no_number_is_not_guessed(length: str, connect: Connect) -> None:
    body = json.dumps(BALANCE).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length.format(n=len(body))}\r\n\r\n"

    def send_and_close(connection: Connection) -> None:
        connection.send(head.encode("latin-1") + body)
        connection.close()

    with RawServer(send_and_close) as server:
        with pytest.raises(InvalidResponseException) as caught:
            connect(server, retries=0).get_credit_balance()
    assert isinstance(caught.value.__cause__, urllib3.exceptions.InvalidHeader)


@pytest.mark.parametrize("size", ["0x1f", "+1f", "1_f", "-1f", "1f 1f", "\xb2", " 1f", "1f\r"])
def test_a_chunk_size_that_is_no_number_is_not_guessed(size: str, connect: Connect) -> None:
    body = json.dumps(BALANCE | {"more": "x" * 50})[:31]

    def send_and_close(connection: Connection) -> None:
        head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n"
        connection.send(f"{head}{body}\r\n0\r\n\r\n".encode("latin-1"))
        connection.close()

    with RawServer(send_and_close) as server:
        with pytest.raises(ApiConnectionException):
            connect(server, retries=0).get_credit_balance()


@pytest.mark.parametrize("size", ["{n:x}", "{n:X}", "000{n:x}", "{n:x} ", "{n:x};name=value"])
def test_a_chunk_size_as_the_standard_has_it_is_read(size: str, connect: Connect) -> None:
    body = json.dumps(BALANCE).encode()
    line = size.format(n=len(body)).encode()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert balance_of(connect, head + line + b"\r\n" + body + b"\r\n0\r\n\r\n") == BALANCE


@pytest.mark.parametrize(
    "codings", [["gzip, chunked"], ["identity"], ["chunked", "chunked"], ["chunked", "identity"]]
)
def test_another_transfer_coding_than_chunks_is_refused(
    codings: list[str], connect: Connect
) -> None:
    lines = "".join(f"Transfer-Encoding: {coding}\r\n" for coding in codings)
    body = json.dumps(BALANCE).encode()
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    with RawServer(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + chunk) as server:
        with pytest.raises(InvalidResponseException):
            connect(server, retries=0).get_credit_balance()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("end", [b"XX", b"X\r\n", b"\n", b""])
def test_a_chunk_that_ends_elsewhere_than_it_says_is_refused(end: bytes, connect: Connect) -> None:
    body = json.dumps(BALANCE).encode()

    def send_and_close(connection: Connection) -> None:
        connection.send(CHUNKED + f"{len(body):x}\r\n".encode() + body + end + b"0\r\n\r\n")
        connection.close()

    with RawServer(send_and_close) as server:
        with pytest.raises(ApiConnectionException):
            connect(server, retries=0).get_credit_balance()


def test_trailers_are_skipped_and_their_number_is_bounded(connect: Connect) -> None:
    body = json.dumps(BALANCE).encode()
    chunk = CHUNKED + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n"
    assert balance_of(connect, chunk + b"X-Sum: 1\r\n" * 3 + b"\r\n") == BALANCE

    def without_end(connection: Connection) -> None:
        connection.send(chunk)
        while not connection.stopping.is_set():
            connection.send(b"X-Sum: 1\r\n" * 1000)

    with RawServer(without_end) as server:
        with pytest.raises(ApiConnectionException, match="HTTPException"):
            connect(server, retries=0).get_credit_balance()


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length : {n}",
        "X-A: a\rContent-Length: 3",
        "X-A: a\rTransfer-Encoding: chunked",
        "X A: a",
        "X\0: a",
        ": a",
        "no colon",
    ],
)
def test_a_line_of_a_head_that_other_software_reads_otherwise_is_refused(
    line: str, connect: Connect
) -> None:
    body = json.dumps(BALANCE).encode()
    given = line.format(n=len(body))
    head = f"HTTP/1.1 200 OK\r\n{given}\r\nContent-Length: {len(body)}\r\n\r\n"
    with RawServer(head.encode() + body) as server:
        with pytest.raises(InvalidResponseException, match=r"a line of the head is malformed$"):
            connect(server, retries=0).get_credit_balance()


@pytest.mark.parametrize(
    "line",
    [
        "HTTP/1.1 +200 OK",
        "HTTP/1.1 0200 OK",
        "HTTP/1.1 2_00 OK",
        "HTTP/1.1 200 OK\rX: y",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 1000 OK",
        "HTTP/1.1.1 200 OK",
    ],
)
def test_a_status_line_that_other_software_reads_otherwise_is_refused(
    line: str, connect: Connect
) -> None:
    with RawServer(response().replace(b"HTTP/1.1 200 OK", line.encode())) as server:
        with pytest.raises(ApiConnectionException, match="BadStatusLine"):
            connect(server, retries=0).get_credit_balance()


def test_a_value_in_several_lines_is_one_line(connect: Connect) -> None:
    body = json.dumps(BALANCE).encode()
    head = f"HTTP/1.1 200 OK\r\nX-A: one\r\n\t two\r\nContent-Length:\r\n {len(body)}\r\n\r\n"
    with RawServer(head.encode() + body) as server:
        received = connect(server).get_credit_balance_with_http_info()

    assert received.data.to_dict() == BALANCE
    assert (received.headers or {})["X-A"] == "one two"


@pytest.mark.parametrize(
    "head", ["HTTP/1.1 200 OK\r\nContent-Length: 3", "HTTP/1.0 200 OK\r\nConnection: keep-alive"]
)
def test_a_connection_whose_response_has_two_ends_is_not_used_again(
    head: str, connect: Connect
) -> None:
    body = json.dumps(BALANCE).encode()
    chunks = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    respond = f"{head}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunks
    with RawServer(respond, response()) as server:
        api = connect(server)
        assert api.get_credit_balance() == api.get_credit_balance()

        assert server.connections == 2


def test_bytes_after_a_response_do_not_become_the_next_one(connect: Connect) -> None:
    stray = response({"user_id": "stray", "credits": 1})
    with RawServer(response() + stray, response({"user_id": "second", "credits": 2})) as server:
        api = connect(server)

        assert api.get_credit_balance().to_dict() == BALANCE
        assert api.get_credit_balance().user_id == "second"


def test_a_deep_response_is_read_or_refused(connect: Connect) -> None:
    for depth in (50, 150, 190, 250, 1000, 100_000):
        extra = b"[" * depth + b"]" * depth
        body = b'{"user_id": "u", "credits": 1, "extra": ' + extra + b"}"
        with RawServer(response(body)) as server:
            result = outcome(connect(server).get_credit_balance)

        assert type(result) in (flowhunt.CreditBalanceResponse, InvalidResponseException)
