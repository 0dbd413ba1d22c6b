"""Profiles: where they are, who may read them, where their keys are, and how they are made."""

from __future__ import annotations

import json
import os
import pickle
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import flowhunt
from cli_helpers import TIME_LIMIT, Run, spawn
from flowhunt import Configuration, ProfileError
from flowhunt._profiles import configuration_file
from flowhunt.sandbox import Sandbox

SECRET = "planted-secret-key"  # noqa: S105  made up
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_a_profile_is_a_configuration_and_takes_nothing_else_from_the_environment(
    profiles: Path, service: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWHUNT_BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", "elsewhere")
    monkeypatch.setenv("FLOWHUNT_ACCESS_TOKEN", "of-elsewhere")
    configuration = Configuration.from_profile("acme", deadline=7)

    assert flowhunt.profiles() == ["acme", "beta", "gamma"]
    assert configuration.host == service.url
    assert configuration.workspace_id == service.workspace_id
    assert configuration.auth_headers() == {"Api-Key": service.api_key}
    assert configuration.limits()[2] == 7
    assert Configuration.from_profile("acme", workspace_id="other").workspace_id == "other"


def test_the_profile_without_a_name_is_the_environments_or_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, '[default]\naccess_token = "t-1"\n[acme]\napi_key = "k-2"\n')

    assert Configuration.from_profile().auth_headers() == {"Authorization": "Bearer t-1"}
    monkeypatch.setenv("FLOWHUNT_PROFILE", "acme")
    assert Configuration.from_profile().auth_headers() == {"Api-Key": "k-2"}


def test_the_file_is_in_the_users_folder_for_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWHUNT_CONFIG_FILE")
    monkeypatch.setenv("HOME", "/home/someone")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CONFIG_HOME", "/settings")
        assert configuration_file() == Path("/settings/flowhunt/config.toml")
        monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
        assert configuration_file() == Path("/home/someone/.config/flowhunt/config.toml")
    monkeypatch.setenv("FLOWHUNT_CONFIG_FILE", "mine.toml")
    assert configuration_file() == Path("mine.toml")


def test_no_file_is_no_profile() -> None:
    assert flowhunt.profiles() == []
    with pytest.raises(ProfileError, match=r"there is no profile 'acme' in .*it has none"):
        Configuration.from_profile("acme")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root gives files away")
def test_a_file_of_another_user_is_refused_with_the_remedy(file: Path) -> None:
    write(file, '[default]\napi_key = "key"\n')
    os.chown(file, 12345, -1)

    with pytest.raises(ProfileError, match=r"another user.*run chown 0 "):
        Configuration.from_profile()


@POSIX
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o602, 0o660])
def test_a_file_that_others_can_read_or_change_is_refused_with_the_remedy(
    file: Path, mode: int
) -> None:
    write(file, f'[default]\napi_key = "{SECRET}"\n', mode)
    with pytest.raises(ProfileError, match=f"mode {mode:04o}.*chmod 600 '{file}'") as caught:
        Configuration.from_profile()

    assert SECRET not in str(caught.value)
    file.chmod(0o600)
    assert Configuration.from_profile().auth_headers()["Api-Key"] == SECRET


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'[default]\napi_key = "{SECRET}', "is not TOML"),
        (f'api_key = "{SECRET}"\n', "api_key must stand below the name of a profile"),
        (f'[default]\napikey = "{SECRET}"\n', "unknown setting 'apikey': did you mean api_key"),
        (f'[default]\napi_key = ["{SECRET}"]\n', 'write api_key = "text"'),
        ('[default]\napi_key = " "\n', 'write api_key = "text"'),
        (f'[default]\napi_key_command = "{SECRET}"\n', 'write api_key_command = \\["program"'),
        ("[default]\napi_key_command = [1]\n", 'write api_key_command = \\["program"'),
        ("[default]\nkeyring = false\n", "write keyring = true"),
        ('[default]\nworkspace_id = "w"\n', "has no credential: give one of api_key,"),
        (f'[default]\napi_key = "{SECRET}"\nkeyring = true\n', "has api_key and keyring"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_and_shows_no_secret(
    file: Path, text: str, problem: str
) -> None:
    write(file, text)
    with pytest.raises(ProfileError, match=problem) as caught:
        Configuration.from_profile()

    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error} {error.args} {vars(error)}"
        error = error.__cause__


def test_a_file_in_another_encoding_is_refused(file: Path) -> None:
    file.write_bytes("[default]\napi_key = 'é'".encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(ProfileError, match="is not UTF-8"):
        flowhunt.profiles()
    file.write_bytes(b"\xef\xbb\xbf[default]\r\napi_key = 'k'\r\n")
    assert flowhunt.profiles() == ["default"]


def command_profile(file: Path, code: str) -> Configuration:
    program = json.dumps([sys.executable, "-c", code])
    write(file, f"[default]\napi_key_command = {program}\n")
    return Configuration.from_profile()


def test_a_command_gives_the_key_when_a_call_first_needs_it_and_once(
    file: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    configuration = command_profile(
        file, f"open({str(log)!r}, 'a').write('x'); print('key-1 \\nuser: me')"
    )
    assert not log.exists()
    assert configuration.auth_headers() == configuration.auth_headers() == {"Api-Key": "key-1"}
    assert log.read_text() == "x"
    assert "key-1" not in repr(configuration.api_key) + repr(
        vars(configuration.api_key["APIKeyHeader"])
    )


def test_a_profile_with_a_command_is_pickled_without_its_key(file: Path) -> None:
    configuration = command_profile(file, "print('key-1')")
    assert configuration.auth_headers() == {"Api-Key": "key-1"}
    pickled = pickle.dumps(configuration)

    assert b"key-1'" not in pickled.replace(b"print('key-1')", b"")
    assert pickle.loads(pickled).auth_headers() == {"Api-Key": "key-1"}  # noqa: S301


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (f"import sys; print('{SECRET}'); sys.exit('{SECRET}')", "failed with exit status 1"),
        ("pass", "printed no key"),
        (f"print(); print('{SECRET}')", "printed no key"),
        (f"import sys; sys.stdout.buffer.write(b'{SECRET}\\xff')", "did not print text"),
    ],
)
def test_a_command_that_fails_is_named_and_nothing_it_prints_is_shown(
    file: Path, code: str, problem: str, capfd: pytest.CaptureFixture[str]
) -> None:
    configuration = command_profile(file, code)
    with pytest.raises(ProfileError, match=problem) as caught:
        configuration.auth_headers()

    assert SECRET not in f"{caught.value} {caught.value.__cause__}"
    assert SECRET not in "".join(capfd.readouterr())


def test_a_command_that_is_not_there_or_hangs_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, '[default]\napi_key_command = ["no-such-program", "argument"]\n')
    with pytest.raises(ProfileError, match="'no-such-program', cannot be run: No such file"):
        Configuration.from_profile().auth_headers()
    monkeypatch.setattr("flowhunt._profiles._COMMAND_SECONDS", 0.2)
    with pytest.raises(ProfileError, match=r"did not finish within 0\.2 s"):
        command_profile(file, "import time; time.sleep(60)").auth_headers()


def test_a_command_is_run_without_a_shell(file: Path, tmp_path: Path) -> None:
    write(file, f'[default]\napi_key_command = ["echo", "$(touch {tmp_path}/made)"]\n')

    assert Configuration.from_profile().auth_headers() == {"Api-Key": f"$(touch {tmp_path}/made)"}
    assert not (tmp_path / "made").exists()


def test_login_keeps_a_key_that_the_service_accepts(service: Sandbox, file: Path, run: Run) -> None:
    write(file, '# mine\n[other]\napi_key = "k"  # theirs\n')
    first = (
        "login",
        "--file",
        "--profile",
        "acme",
        "--base-url",
        service.url,
        "--workspace",
        service.workspace_id,
    )
    refused = spawn(*first, stdin=f"{SECRET}\n")
    assert (refused.code, refused.out) == (4, "")
    assert flowhunt.profiles() == ["other"]
    kept = spawn(*first, stdin=f"{service.api_key}\n")
    text = file.read_text(encoding="utf-8")

    assert (kept.code, kept.out) == (0, "")
    assert service.api_key not in kept.err
    assert "flowhunt-credits balance --profile acme" in kept.err
    assert text.startswith('# mine\n[other]\napi_key = "k"  # theirs\n')
    assert tomllib.loads(text)["acme"]["api_key"] == service.api_key
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("balance", "--profile", "acme").code == 0


@POSIX
def test_a_person_is_asked_for_the_key_without_echo(service: Sandbox, file: Path) -> None:
    begin = (
        "import os; os.open(os.ttyname(0), os.O_RDWR)\n"  # which makes it the controlling terminal
        "import flowhunt.__main__ as program; program.run()"
    )
    main, terminal = os.openpty()
    with os.fdopen(main, "rb+", 0) as screen:
        with os.fdopen(terminal, "rb+", 0) as there:
            with subprocess.Popen(
                [sys.executable, "-c", begin, "login", "--file", "--base-url", service.url],
                stdin=there,
                stdout=there,
                stderr=there,
                start_new_session=True,
            ) as process:
                shown = b""
                for prompt, line in (
                    (b"Workspace ID: ", service.workspace_id),
                    (b"API key: ", service.api_key),
                ):
                    while not shown.endswith(prompt):
                        shown += screen.read(1)
                    screen.write(f"{line}\n".encode())
                assert process.wait(TIME_LIMIT) == 0
            os.set_blocking(screen.fileno(), False)
            shown += screen.read() or b""

    assert service.api_key.encode() not in shown
    assert service.api_key in file.read_text(encoding="utf-8")


def test_login_makes_the_file_and_replaces_a_profile(
    service: Sandbox, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new" / "flowhunt" / "config.toml"
    monkeypatch.setenv("FLOWHUNT_CONFIG_FILE", str(file))
    program = f"{sys.executable} -c 'print(\"{service.api_key}\")'"
    login = ("login", "--base-url", service.url, "--workspace", service.workspace_id)

    for _ in range(2):
        assert run(*login, "--api-key-command", program).code == 0
    assert list(tomllib.loads(file.read_text())) == ["default"]
    assert "api_key_command" in tomllib.loads(file.read_text())["default"]
    assert run("balance").code == 0


def test_login_writes_nothing_where_another_login_does(
    service: Sandbox, profiles: Path, run: Run
) -> None:
    before = profiles.read_text()
    profiles.with_name("config.toml.new").touch()
    program = f"{sys.executable} -c 'print(\"{service.api_key}\")'"
    login = ("login", "--base-url", service.url, "--workspace", service.workspace_id)
    ran = run(*login, "--api-key-command", program)

    assert ran.code == 1
    assert "config.toml.new exists: another login is under way" in ran.err
    assert profiles.read_text() == before


@POSIX
def test_a_file_that_others_can_read_stops_login_and_every_command(
    profiles: Path, run: Run
) -> None:
    profiles.chmod(0o644)
    for command in (["balance"], ["profiles"], ["doctor"], ["--all-profiles", "balance"]):
        ran = run(*command)
        assert ran.code == 4
        assert "chmod 600" in ran.err + ran.out


def test_the_key_store_of_the_system_keeps_a_key(
    service: Sandbox, tmp_path: Path, file: Path
) -> None:
    (tmp_path / "notebook.py").write_text(
        "import json, keyring.backend, pathlib\n"
        "kept = pathlib.Path(__file__).with_name('kept.json')\n"
        "class Keyring(keyring.backend.KeyringBackend):\n"
        "    priority = 5\n"
        "    def get_password(self, service, name):\n"
        "        return json.loads(kept.read_text()).get(service + name) if kept.exists() else ''\n"
        "    def set_password(self, service, name, key):\n"
        "        kept.write_text(json.dumps({service + name: key}))\n"
    )
    where = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "notebook.Keyring"}
    login = ("login", "--base-url", service.url, "--workspace", service.workspace_id)
    ran = spawn(*login, stdin=service.api_key, **where)

    assert (ran.code, ran.out) == (0, "")
    assert service.api_key not in file.read_text()
    assert tomllib.loads(file.read_text())["default"]["keyring"] is True
    assert spawn("balance", **where).code == 0
    (tmp_path / "kept.json").unlink()
    lost = spawn("balance", **where)
    assert lost.code == 4
    assert "flowhunt-credits login --profile default" in lost.err


@pytest.mark.parametrize("broken", ["raises.Keyring", "no_such_module.Keyring"])
def test_a_key_store_that_raises_anything_is_one_line_without_the_key(
    service: Sandbox, tmp_path: Path, file: Path, broken: str
) -> None:
    (tmp_path / "raises.py").write_text(
        "import keyring.backend\n"
        "class Keyring(keyring.backend.KeyringBackend):\n"
        "    priority = 5\n"
        "    def get_password(self, service, name):\n"
        "        raise LookupError(name)\n"
        "    def set_password(self, service, name, key):\n"
        "        raise OSError(key)\n"
    )
    where = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": broken}
    login = ("login", "--keyring", "--base-url", service.url, "--workspace", service.workspace_id)
    write(file, '[default]\nworkspace_id = "w"\nkeyring = true\n')

    for ran in (spawn(*login, stdin=service.api_key, **where), spawn("balance", **where)):
        assert ran.code in (1, 4)
        assert ran.err.startswith("error: the system's key store ")
        assert len(ran.err.splitlines()) == 1
        assert service.api_key not in ran.err


def test_one_profile_that_fails_hides_no_other(profiles: Path, service: Sandbox, run: Run) -> None:
    ran = run("balance", "--all-profiles", "-o", "json")
    rows = json.loads(ran.out)

    assert ran.code == 4
    assert [row["profile"] for row in rows] == ["acme", "gamma"]
    assert rows[1]["workspace_id"] == service.workspaces[2].workspace_id
    error = json.loads(ran.err)["error"]
    assert (error["profile"], error["status"], error["exit_code"]) == ("beta", 401, 4)
    assert run("-a", "balance").err.startswith("error: beta: ")
    with profiles.open("a") as more:
        more.write('[odd]\nkey = "k"\n[last]\nworkspace_id = "w"\napi_key = "k"\n')
        more.write(f'base_url = "{service.url}"\n')
    ran = run("balance", "--all-profiles", "-f", "profile", "-o", "csv")
    assert ran.out == "profile\nacme\ngamma\n"
    assert [line.split()[1] for line in ran.err.splitlines()] == ["beta:", "odd:", "last:"]


def test_a_limit_that_is_crossed_counts_although_another_profile_fails(
    profiles: Path, run: Run
) -> None:
    ran = run("check", "--all-profiles", "--below", "999999")

    assert ran.code == 3
    assert [line.split()[0] for line in ran.out.splitlines()] == ["acme:", "gamma:"]
    assert ran.err.startswith("error: beta: ")
    assert run("check", "--all-profiles", "--below", "1").code == 4


def test_profiles_are_listed_without_their_keys(profiles: Path, service: Sandbox, run: Run) -> None:
    with profiles.open("a") as more:
        more.write('[odd]\nkey = "k"\n[vault]\napi_key_command = ["false"]\n')
    ran = run("profiles", "-o", "jsonl")
    rows = [json.loads(line) for line in ran.out.splitlines()]

    assert (ran.code, ran.err) == (0, "")
    assert [row["credential"] for row in rows] == ["api_key"] * 3 + [None, "api_key_command"]
    assert "unknown setting 'key'" in rows[3]["problem"]
    assert service.api_key not in ran.out


@pytest.mark.parametrize(
    ("variables", "arguments", "code", "said"),
    [
        ({}, [], 4, "run flowhunt-credits login, or set FLOWHUNT_API_KEY and"),
        ({"FLOWHUNT_API_KEY": "key"}, [], 2, "Give --workspace ID, or set FLOWHUNT_WORKSPACE_ID"),
        ({"FLOWHUNT_PROFILE": "nix"}, [], 4, "there is no profile 'nix'"),
        ({}, ["--profile", "nix"], 4, "there is no profile 'nix'"),
        ({}, ["--all-profiles"], 4, "run flowhunt-credits login"),
        ({}, ["--all-profiles", "--profile", "nix"], 2, "--all-profiles excludes"),
    ],
)
def test_without_any_configuration_the_error_states_what_to_do(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ran = run("balance", *arguments)

    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_the_profile_that_counts(
    profiles: Path, service: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*arguments: str) -> str:
        return run("balance", *arguments, "-o", "csv", "-f", "workspace_id").out.splitlines()[1]

    acme, _, gamma = (workspace.workspace_id for workspace in service.workspaces)
    assert "which profile? Give --profile or set FLOWHUNT_PROFILE: acme" in run("balance").err
    monkeypatch.setenv("FLOWHUNT_PROFILE", "gamma")
    assert asked() == gamma
    monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", acme)
    assert "FLOWHUNT_API_KEY is not" in run("balance").err
    monkeypatch.setenv("FLOWHUNT_BASE_URL", service.url)
    monkeypatch.setenv("FLOWHUNT_API_KEY", service.api_key)
    assert asked() == acme
    assert asked("--profile", "gamma") == gamma
