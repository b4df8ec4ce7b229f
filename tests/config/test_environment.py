"""Variables of the environment: read strictly, and every one of them documented."""

import ast
import os
import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment
from config.environment import (
    BASE_DIR,
    env_bool,
    env_choice,
    env_int,
    env_list,
    env_origin,
    env_origins,
    env_redis,
    env_secret,
    env_str,
    env_url,
)
from config.settings import database_from_url

READERS = {"env_bool", "env_choice", "env_int", "env_list", "env_origin", "env_origins", "env_redis", "env_secret", "env_str", "env_url"}


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in ("X", "X_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("TRUE", True), (" on ", True), ("yes", True), ("0", False), ("No", False), ("", True)]
)
def test_a_boolean_is_read(monkeypatch, text, value):
    monkeypatch.setenv("X", text)
    assert env_bool("X", default=True) is value


@pytest.mark.parametrize("text", ["2", "ja", "enabled", "None"])
def test_nonsense_is_no_boolean(monkeypatch, text):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match=f"X='{text.lower()}' is neither true nor false"):
        env_bool("X", default=True)


@pytest.mark.parametrize(("text", "value"), [("", 5), ("7", 7), (" 1 ", 1), ("9", 9)])
def test_a_number_is_read(monkeypatch, text, value):
    monkeypatch.setenv("X", text)
    assert env_int("X", 5, minimum=1, maximum=9) == value


@pytest.mark.parametrize("text", ["0", "10", "-1", "1.5", "one", "1e3", "--1", "²"])
def test_nonsense_is_no_number(monkeypatch, text):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match="must be a whole number from 1 to 9"):
        env_int("X", 5, minimum=1, maximum=9)


def test_a_choice_is_one_of_the_words_in_any_case(monkeypatch):
    monkeypatch.setenv("X", "JSON")
    assert env_choice("X", "text", among=("text", "json")) == "json"
    monkeypatch.setenv("X", "xml")
    with pytest.raises(ImproperlyConfigured, match="X='xml' must be one of text, json"):
        env_choice("X", "text", among=("text", "json"))


def test_a_list_has_no_empty_entries(monkeypatch):
    monkeypatch.setenv("X", "a, b,,c ,")
    assert env_list("X") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "text", ["redis://cache:6379/0", "rediss://user:secret@cache/1", "redis://[::1]:6379", "unix:///run/redis.sock?db=1"]
)
def test_an_address_is_read(monkeypatch, text):
    monkeypatch.setenv("X", text)
    assert env_url("X", "", schemes=("redis", "rediss", "unix")) == text


@pytest.mark.parametrize(
    "text", ["cache:6379", "http://cache:6379", "redis://cache:port/0", "redis://cache:99999", "redis://[::1", "redis"]
)
def test_nonsense_is_no_address(monkeypatch, text):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match=r"^X must be an address that begins with redis:// or unix://, and its port a number\.$"):
        env_url("X", "", schemes=("redis", "unix"))


NO_ORIGIN = "must be scheme, host and perhaps port, such as https://plumbline.example: no path, and no slash at the end."


@pytest.mark.parametrize("text", ["https://plumbline.example", "http://localhost:8000", "http://[::1]:8000"])
def test_an_origin_is_read(monkeypatch, text):
    monkeypatch.setenv("X", text)
    assert (env_origin("X", ""), env_origins("X")) == (text, [text])


@pytest.mark.parametrize("text", [
    "plumbline.example", "plumbline.example:8000", "//plumbline.example", "ftp://plumbline.example", "https://", "https://:8000",
    "https://plumbline.example/", "https://plumbline.example/app", "https://plumbline.example?a=b", "https://plumbline.example#a",
    "https://ann@plumbline.example", "https://plumbline.example:port", "https://plumbline.example:99999", "https://[::1", "https://a b",
])  # fmt: skip
def test_nonsense_is_no_origin(monkeypatch, text):
    monkeypatch.setenv("X", text)
    for read in (lambda: env_origin("X", ""), lambda: env_origins("X")):
        with pytest.raises(ImproperlyConfigured) as caught:
            read()
        assert str(caught.value) == f"X {NO_ORIGIN}"


@pytest.mark.parametrize("text", ["redis:", "redis:///0", "rediss://", "unix:", "unix://"])
def test_an_address_of_redis_names_a_host_or_a_socket(monkeypatch, text):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match="^X must name a host"):
        env_redis("X", "")


def test_text_of_spaces_is_the_default(monkeypatch):
    monkeypatch.setenv("X", "  ")
    assert env_str("X", "default") == "default"


def test_a_secret_comes_from_the_variable_then_its_file_then_the_fallback(monkeypatch, tmp_path):
    named, fallback = tmp_path / "named", tmp_path / "fallback"
    with pytest.raises(ImproperlyConfigured, match="X is not set. Set X, or X_FILE"):
        env_secret("X", fallback_file=fallback)
    fallback.write_text("from the fallback\n")
    assert env_secret("X", fallback_file=fallback) == "from the fallback"
    named.write_text("from the file\n")
    monkeypatch.setenv("X_FILE", str(named))
    assert env_secret("X", fallback_file=fallback) == "from the file"
    monkeypatch.setenv("X", "from the variable")
    assert env_secret("X", fallback_file=fallback) == "from the variable"


@pytest.mark.parametrize(("content", "complaint"), [
    (None, "cannot be read (No such file or directory)"), (b" \n", "X_FILE names an empty file"),
    (b"\xff", "cannot be read (it is no text)"),
])  # fmt: skip
def test_a_named_file_that_gives_no_secret_is_not_passed_over(monkeypatch, tmp_path, content, complaint):
    named, fallback = tmp_path / "named", tmp_path / "fallback"
    fallback.write_text("from the fallback")
    monkeypatch.setenv("X_FILE", str(named))
    if content is not None:
        named.write_bytes(content)
    with pytest.raises(ImproperlyConfigured) as caught:
        env_secret("X", fallback_file=fallback, default="default")
    assert complaint in str(caught.value)
    assert str(named) in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql//app:s3cret@db/x", "postgres:/app:s3cret@db/x", "host=db password=s3cret pasword=x"])
def test_a_wrong_address_of_the_database_is_not_repeated(url):
    with pytest.raises(ImproperlyConfigured) as caught:
        database_from_url(url)
    assert str(caught.value) == "DATABASE_URL is no PostgreSQL URL, postgresql://user@host/name, and no conninfo string."


def variables_read() -> set[str]:
    """The first argument of every reader's call in the settings and in the readers' own module."""
    found = set()
    for path in (BASE_DIR / "config" / name for name in ("settings.py", "environment.py", "kernels.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Call) and getattr(node.func, "id", "") in READERS and node.args
            if named and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return found


def test_the_example_lists_every_variable_and_no_other():
    example = (BASE_DIR / ".env.example").read_text()
    listed = re.findall(r"(?m)^#?([A-Z_]+)=", example)
    assert sorted(listed) == sorted(variables_read())


def test_every_variable_is_documented():
    documented = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", (BASE_DIR / "docs/configuration.md").read_text()))
    assert variables_read() - documented == set()


@pytest.mark.parametrize("path", ["docs/configuration.md", ".env.example"])
def test_a_documented_variable_exists(path):
    variables = variables_read()
    known = variables | {f"{name}_FILE" for name in variables} | {"NAME_FILE"}
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", (BASE_DIR / path).read_text()))
    assert named <= known


def test_settings_alone_read_the_environment():
    """Apart from the start of processes, which hands variables on, nothing but the readers looks at the environment."""
    offenders = [
        str(path.relative_to(BASE_DIR))
        for app in ("orgs", "accounts", "billing", "datastores", "metrics", "anomalies")
        for path in (BASE_DIR / app).rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
        and path.name != "engine.py"  # NUMBA_CACHE_DIR is the compiler's own, asked for without loading it
    ]
    assert offenders == []


def settings_fail(**variables: str) -> str:
    """What importing the settings says with these variables; empty when it works."""
    script = "import config.settings"
    environment_ = {name: value for name, value in os.environ.items() if name not in {"DJANGO_SETTINGS_MODULE"}} | variables
    done = subprocess.run([sys.executable, "-c", script], cwd=BASE_DIR, env=environment_, capture_output=True, text=True, check=False)
    return done.stderr.splitlines()[-1] if done.returncode else ""


@pytest.mark.parametrize(("variables", "complaint"), [
    ({}, ""),
    ({"PORT": "http"}, "PORT='http' must be a whole number from 1 to 65535."),
    ({"DEBUG": "maybe"}, "DEBUG='maybe' is neither true nor false: use 1 or 0."),
    ({"SECRET_KEY": "short"}, "SECRET_KEY must have at least 32 characters."),
    ({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}, ""),
    ({"STRIPE_SECRET_KEY": "sk_test_1"}, "Set STRIPE_WEBHOOK_SECRET, or STRIPE_WEBHOOK_SECRET_FILE to a file that holds it."),
    ({"STRIPE_SECRET_KEY_FILE": "/nowhere"}, "FILE names a file that cannot be read (No such file or directory): /nowhere"),
    ({"STRIPE_SECRET_KEY": "pk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}, "(sk_…) or a restricted one (rk_…), not a publishable one."),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT='xml' must be one of text, json."),
    ({"DATABASE_URL": "http://x"}, "DATABASE_URL is no PostgreSQL URL, postgresql://user@host/name, and no conninfo string."),
    ({"BASE_URL": "https://plumbline.example/"}, f"BASE_URL {NO_ORIGIN}"),
    ({"CORS_ORIGINS": "https://a.example,https://b.example/app"}, f"CORS_ORIGINS {NO_ORIGIN}"),
    ({"REDIS_URL": "redis://"}, "REDIS_URL must name a host, redis://host:6379/0, or a socket, unix:///path/of/redis.sock."),
    ({"TOKEN_PEPPER_FILE": "/run/secrets/typo"}, "cannot be read (No such file or directory): /run/secrets/typo"),
])  # fmt: skip
def test_settings_fail_loudly(variables, complaint):
    assert settings_fail(**variables).endswith(complaint)
    assert bool(settings_fail(**variables)) is bool(complaint)


def test_the_home_is_absolute_wherever_it_is_named_from(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_HOME", "data/here")
    assert environment.plumbline_home() == (tmp_path / "data/here").resolve()
    monkeypatch.delenv("PLUMBLINE_HOME")
    assert environment.plumbline_home() == BASE_DIR / ".plumbline"
