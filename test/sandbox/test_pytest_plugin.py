"""The pytest plugin as users have it: in a run of pytest of its own, with warnings as errors."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run tests in a new process with this plugin and those that are named."""

    def run(code: str, *arguments: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # those of others take seconds
        pytester.makepyfile(test_users=code)
        loaded = [word for name in ("flowhunt._pytest", *plugins) for word in ("-p", name)]
        strict = ["--strict-markers", "--strict-config", "-W", "error"]
        return pytester.runpytest_subprocess(*loaded, *strict, *arguments, timeout=100)

    return run


def test_the_plugin_is_found_by_its_entry_point(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    pytester.makepyfile("def test_users(flowhunt_api): assert flowhunt_api.get_credit_balance()")
    slow = ("-p", "no:anyio", "-p", "no:schemathesis")
    pytester.runpytest_subprocess("--strict-config", *slow, timeout=100).assert_outcomes(passed=1)


def test_it_loads_nothing_until_a_fixture_is_used(run: Run) -> None:
    code = """
        import sys
        HEAVY = {"pydantic", "urllib3", "starlette", "uvicorn", "rich", "asyncio"}

        def test_before():
            assert "flowhunt._pytest" in sys.modules
            assert "flowhunt.sandbox" not in sys.modules
            assert not HEAVY & set(sys.modules)

        def test_after(flowhunt_sandbox):
            assert HEAVY - {"rich"} <= set(sys.modules)
    """
    run(code, "-p", "no:unraisableexception").assert_outcomes(passed=2)


def test_data_and_faults_are_those_of_the_markers(run: Run) -> None:
    code = """
        import flowhunt, pytest

        def test_unchanged_code(flowhunt_sandbox):
            with flowhunt.ApiClient() as client:
                assert flowhunt.CreditsApi(client).get_credit_balance().credits > 0
            assert len(flowhunt_sandbox.requests) == 1

        @pytest.mark.flowhunt(history=[{"amount": 5}, {"amount": 7}], balance=3)
        def test_history(flowhunt_api, flowhunt_workspace_id):
            rows = flowhunt_api.search_credit_transactions(flowhunt_workspace_id, {})
            assert sorted(row.amount for row in rows) == [5, 7]
            assert flowhunt_api.get_workspace_credit_balance(flowhunt_workspace_id).credits == 3

        @pytest.mark.flowhunt(fault={"status": 429, "retry_after": 7, "requests": [2]}, history=[])
        @pytest.mark.flowhunt(faults=[{"status": 402, "requests": [1]}])
        def test_faults(flowhunt_api):
            with pytest.raises(flowhunt.PaymentRequiredException):
                flowhunt_api.get_credit_balance()
            with pytest.raises(flowhunt.RateLimitException) as caught:
                flowhunt_api.get_credit_balance()
            assert caught.value.retry_after == 7

        @pytest.mark.flowhunt(timestamps="utc", transactions=3)
        class TestMarkers:
            def test_of_the_class(self, flowhunt_sandbox):
                assert len(flowhunt_sandbox.transactions()) == 3
                assert flowhunt_sandbox.options.timestamps == "utc"

            @pytest.mark.flowhunt(timestamps="naive")
            def test_the_closest_wins(self, flowhunt_sandbox):
                assert len(flowhunt_sandbox.transactions()) == 3
                assert flowhunt_sandbox.options.timestamps == "naive"

        @pytest.mark.parametrize("number", range(3))
        def test_each_starts_anew(flowhunt_sandbox, number):
            flowhunt_sandbox.add_transactions(None, [{}] * (number + 1))
            flowhunt_sandbox.set_balance(number)
            assert len(flowhunt_sandbox.transactions()) == 1_001 + number
    """
    run(code).assert_outcomes(passed=8)
    nodes = ["test_each_starts_anew", "TestMarkers", "test_faults", "test_history"]
    backwards = [f"test_users.py::{node}" for node in (*nodes, "test_unchanged_code")]
    run(code, *backwards).assert_outcomes(passed=8)


def test_the_environment_leads_child_processes_to_the_sandbox(run: Run) -> None:
    code = """
        import os, subprocess, sys
        import flowhunt
        PROGRAM = "import flowhunt; print(flowhunt.CreditsApi().get_credit_balance().user_id)"

        def test_child(flowhunt_environment, flowhunt_api, monkeypatch):
            child = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
            assert child.stdout.strip() == flowhunt_api.get_credit_balance().user_id
            assert flowhunt_environment.items() <= os.environ.items()

        def test_afterwards():
            assert not [name for name in os.environ if name.startswith("FLOWHUNT")
                        and name != "FLOWHUNT_REFUSED_HOSTS"]
            assert flowhunt.Configuration.get_default().host == "https://api.flowhunt.io"

        def test_a_default_of_another_test_does_not_count(flowhunt_sandbox):
            assert flowhunt.Configuration.get_default().host == flowhunt_sandbox.url

        def test_a_proxy_of_the_environment_does_not_count(monkeypatch, request):
            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
            request.getfixturevalue("flowhunt_sandbox")
            with flowhunt.ApiClient() as client:
                assert flowhunt.CreditsApi(client).get_credit_balance().credits
    """
    run(code).assert_outcomes(passed=4)


SERVICE = """
    import os, socket, subprocess, sys
    from unittest import mock
    import flowhunt, pytest
    from flowhunt.sandbox import Sandbox

    @pytest.fixture(scope="session")
    def service():  # it stands for FlowHunt, for whose name it responds with 403
        look_up = socket.getaddrinfo
        with Sandbox(transactions=1) as sandbox, pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", lambda host, *rest, **kwargs: look_up(
                host.replace("api.flowhunt.io", "127.0.0.1"), *rest, **kwargs))
            yield sandbox

    @pytest.fixture(scope="session")
    def api(service):
        host = service.url.replace("127.0.0.1", "api.flowhunt.io")
        configuration = flowhunt.Configuration(host, "key", allow_plain_http=True, trust_env=False)
        with flowhunt.ApiClient(configuration) as client:
            yield flowhunt.CreditsApi(client)

    @pytest.mark.flowhunt(live=True)
    def test_marked(api, service):
        with pytest.raises(flowhunt.ForbiddenException):
            api.get_credit_balance()

    def test_unmarked(api):
        api.get_credit_balance()
"""


def test_only_a_marked_test_reaches_the_service(run: Run) -> None:
    done = run(SERVICE)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        [
            "E *api.flowhunt.io was not called, since this process refuses flowhunt.io*",
            "E *unless it is marked @pytest.mark.flowhunt(live=True).",
        ]
    )
    once_more = ["test_users.py::test_unmarked", "test_users.py::test_marked"]
    run(SERVICE, *once_more).assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("hosts", "outcomes"),
    [("", {"passed": 3}), ("*", {"failed": 3}), ("example.test", {"passed": 2, "failed": 1})],
)
def test_the_hosts_that_are_refused_can_be_configured(
    run: Run, pytester: pytest.Pytester, hosts: str, outcomes: dict[str, int]
) -> None:
    pytester.makeini(f"[pytest]\nflowhunt_refused_hosts = {hosts}")
    code = """
        import flowhunt, pytest, socket

        @pytest.mark.parametrize("host", ["api.flowhunt.io", "sub.example.test", "notexample.test"])
        def test_host(host, monkeypatch):
            def no_name(*args, **kwargs):
                raise socket.gaierror(socket.EAI_NONAME, "looked up")
            monkeypatch.setattr(socket, "getaddrinfo", no_name)
            configuration = flowhunt.Configuration(
                f"https://{host}", "key", retries=0, trust_env=False)
            with pytest.raises(flowhunt.ApiConnectionException):
                flowhunt.CreditsApi(flowhunt.ApiClient(configuration)).get_credit_balance()
    """
    run(code).assert_outcomes(**outcomes)


def test_no_way_around_leads_to_the_service(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWHUNT_BASE_URL", "https://staging.example.test/base")
    code = """
        import os, subprocess, sys, threading
        from unittest import mock
        import flowhunt, pytest

        def refused(**settings):
            configuration = flowhunt.Configuration(api_key="key", **settings)
            with flowhunt.ApiClient(configuration) as client:
                with pytest.raises(flowhunt.ApiValueError, match="was not called"):
                    flowhunt.CreditsApi(client).get_credit_balance()

        def test_an_empty_environment():
            with mock.patch.dict(os.environ, clear=True):
                refused()

        def test_the_host_of_the_environment():
            refused(host=os.environ["FLOWHUNT_BASE_URL"])

        @pytest.mark.parametrize("host", ["https://API.FlowHunt.io.", "https://other.flowhunt.io"])
        def test_other_names(host):
            refused(host=host)

        @pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5h://127.0.0.1:9"])
        def test_a_proxy(proxy):
            configuration = flowhunt.Configuration("https://api.flowhunt.io", "key", retries=0)
            configuration.proxy = proxy
            with pytest.raises(flowhunt.ApiValueError, match="api.flowhunt.io was not called"):
                flowhunt.CreditsApi(flowhunt.ApiClient(configuration)).get_credit_balance()

        def test_a_thread():
            failed = []
            def call():
                try:
                    refused()
                except BaseException as error:
                    failed.append(error)
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()
            assert not failed

        def test_a_child_process():
            program = "import flowhunt; flowhunt.CreditsApi().get_credit_balance()"
            child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                                   env={**os.environ, "FLOWHUNT_API_KEY": "key"})
            assert child.returncode == 1
            assert "was not called" in child.stderr.splitlines()[-1]
    """
    run(code).assert_outcomes(passed=8)


def test_workers_of_xdist_have_a_sandbox_each(run: Run) -> None:
    code = """
        import pytest

        @pytest.mark.parametrize("number", range(12))
        def test_many(flowhunt_sandbox, flowhunt_api, number):
            flowhunt_sandbox.add_transactions(None, [{}])
            assert len(flowhunt_sandbox.transactions()) == 1_001
            assert flowhunt_api.get_credit_balance().credits
    """
    run(code, "-n", "2", plugins=("xdist.plugin",)).assert_outcomes(passed=12)


def test_it_works_while_the_clock_is_frozen(run: Run) -> None:
    code = """
        import flowhunt, pytest
        from freezegun import freeze_time

        @freeze_time("2020-06-30")
        def test_frozen(flowhunt_api, flowhunt_workspace_id):
            rows = flowhunt_api.search_credit_transactions(flowhunt_workspace_id, {"limit": 3})
            assert len(rows) == 3
            assert flowhunt_api.get_daily_chart_data(flowhunt_workspace_id, {}).per_day

        @pytest.fixture
        def frozen():
            with freeze_time("2020-06-30"):
                yield

        def last_day(sandbox):
            return max(row["created_at"] for row in sandbox.transactions())[:7]

        def test_a_sandbox_of_another_time(frozen, flowhunt_sandbox):
            assert last_day(flowhunt_sandbox) == "2020-06"

        def test_a_sandbox_of_now(flowhunt_sandbox):
            assert last_day(flowhunt_sandbox) > "2026"

        @pytest.mark.flowhunt(until="2026-02-28")
        def test_a_sandbox_of_a_time(flowhunt_sandbox):
            assert last_day(flowhunt_sandbox) == "2026-02"
    """
    run(code).assert_outcomes(passed=4)


def test_a_wrong_marker_is_an_error_that_names_it(run: Run) -> None:
    code = """
        import pytest

        @pytest.mark.flowhunt(colour='red')
        def test_option(flowhunt_sandbox): ...

        @pytest.mark.flowhunt(fault={'statsu': 503})
        def test_fault(flowhunt_sandbox): ...

        @pytest.mark.flowhunt('503')
        def test_position(flowhunt_sandbox): ...

        def test_unmarked(flowhunt_sandbox): ...
    """
    done = run(code)
    done.assert_outcomes(errors=3, passed=1)
    done.stdout.fnmatch_lines(["E *colour*", "E *statsu*", "the marker is *by keywords"])


def test_without_the_extra_a_fixture_says_what_to_install(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest("import sys; sys.modules['starlette'] = None")
    done = run("def test_users(flowhunt_sandbox): ...")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*pip install '.[[]sandbox[]]'*"])


# The hook that the plugin stands on


def test_hosts_are_refused_until_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    import flowhunt

    def no_name(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "looked up")

    def error_at(host: str) -> type[Exception]:
        configuration = flowhunt.Configuration(f"https://{host}", "key", retries=0)
        with pytest.raises(flowhunt.OpenApiException) as caught:
            flowhunt.CreditsApi(flowhunt.ApiClient(configuration)).get_credit_balance()
        return caught.type

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    before = flowhunt.Configuration.set_refused_hosts([" Example.TEST ", ""])
    try:
        assert error_at("example.test") is error_at("a.b.example.test") is flowhunt.ApiValueError
        assert error_at("other-example.test") is flowhunt.ApiConnectionException
        assert flowhunt.Configuration.set_refused_hosts(["*"]) == ("example.test",)
        assert error_at("other.test") is flowhunt.ApiValueError
        assert error_at("127.0.0.1:9") is flowhunt.ApiConnectionException
        with pytest.raises(flowhunt.ApiTypeError, match="a list of names"):
            flowhunt.Configuration.set_refused_hosts("example.test")
    finally:
        flowhunt.Configuration.set_refused_hosts(before)
