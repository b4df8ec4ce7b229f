"""The repository as a newcomer finds it: locks, targets, migrations, a deployment that passes Django's own check."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from django.core.management import call_command

from config.environment import BASE_DIR
from config.setup import environment as setup

LOCKS = sorted(BASE_DIR.glob("requirements*.lock"))


@pytest.mark.django_db
def test_models_have_their_migrations():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_a_deployment_passes_the_check():
    variables = {
        "FORCE_HTTPS": "1", "BEHIND_PROXY": "1", "ALLOWED_HOSTS": "plumbline.example.com", "BASE_URL": "https://plumbline.example.com",
        "SECRET_KEY": "kzq8X1vC0pWmR5uT7yB3nE9aS2dF6gH4jL-_kzq8X1vC0pWmR5uT7yB3", "TOKEN_PEPPER": "p" * 40, "LOG_FORMAT": "json",
    }  # fmt: skip
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level=WARNING"]
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}  # set for browser tests
    done = subprocess.run(command, cwd=BASE_DIR, env=inherited | variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "System check identified no issues (0 silenced)."), done.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_a_hash_for_every_package_and_no_address(lock):
    text = lock.read_text()
    packages = re.findall(r"(?m)^([a-z0-9._-]+)==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", text)
    assert packages == re.findall(r"(?m)^([a-z0-9._-]+)[= @]", text)
    assert not re.search(r"://|--(index|extra|find|trusted)", text)


def test_the_lock_holds_what_the_project_asks_for():
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())
    names = {re.match(r"[A-Za-z0-9_-]+", need)[0].lower().replace("_", "-") for need in project["project"]["dependencies"]}
    locked = set(re.findall(r"(?m)^([a-z0-9._-]+)==", (BASE_DIR / "requirements.lock").read_text()))
    assert names <= locked
    for need in project["project"]["dependencies"]:
        assert re.search(rf'"{re.escape(need)}"?.*#', (BASE_DIR / "pyproject.toml").read_text()) or ";" in need, f"no reason beside {need}"


def test_no_committed_file_names_a_package_registry():
    hosts = "|".join(["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(org|com)", "yarn" + "pkg"])
    found = subprocess.run(["git", "grep", "-IlE", hosts], cwd=BASE_DIR, capture_output=True, text=True, check=False)
    assert found.stdout == ""


@pytest.mark.parametrize("target", ["run", "test", "test-all", "bench", "lint", "fmt", "schema", "stop"])
def test_a_target_of_the_makefile_is_a_line_or_two(target):
    recipe = re.search(rf"(?m)^{target}:.*\n((?:\t.+\n)+)", (BASE_DIR / "Makefile").read_text())[1]
    assert 1 <= len(recipe.splitlines()) <= 3
    assert subprocess.run(["make", "-n", target], cwd=BASE_DIR, capture_output=True, check=False).returncode == 0


def test_pips_settings_are_handed_to_uv(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://one.example/simple https://two.example/simple")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.setenv("UV_INDEX", "https://own.example/simple")
    told = setup.uv_environment()
    assert told["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert told["UV_INDEX"] == "https://own.example/simple"
    assert setup.pip_settings()["extra-index-url"] == "https://one.example/simple https://two.example/simple"


def test_a_python_that_only_pretends_is_passed_over(tmp_path):
    for name in ("python3.13", "python3.12"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'no such version' >&2; exit 127\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "python3.11").symlink_to(sys.executable)
    find = [BASE_DIR / "config/setup/find-python"]
    found = subprocess.run(find, env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, capture_output=True, text=True, check=False)
    assert found.stdout.strip() == f"{tmp_path}/python3.11"
    (tmp_path / "python3.11").unlink()
    missing = subprocess.run(find, env={"PATH": str(tmp_path), "PYTHON": "python3.11"}, capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert "no Python from 3.11 to 3.14" in missing.stderr


def test_the_compose_file_sets_only_variables_that_there_are():
    services = yaml.safe_load((BASE_DIR / "docs/compose.yaml").read_text())["services"]
    known = set(re.findall(r"(?m)^#? ?([A-Z][A-Z0-9_]+)=", (BASE_DIR / ".env.example").read_text()))
    assert set(services["plumbline"]["environment"]) <= known
    assert set(services) == {"plumbline", "postgres", "valkey"}
    assert "manage.py up --prepare" in services["plumbline"]["command"][-1]
