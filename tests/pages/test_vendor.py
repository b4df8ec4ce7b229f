"""What the pages ship of others is what was vendored, and nothing is fetched from elsewhere."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
MANIFEST = json.loads((ROOT / "static/vendor/manifest.json").read_text())
OWN = [path for folder in ("templates", "static/js", "static/css", "static/img") for path in (ROOT / folder).rglob("*") if path.is_file()]
# An address with a host. Namespaces of XML are names, not addresses.
ELSEWHERE = re.compile(r"""(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+(?:\.[a-z0-9-]+)+""", re.IGNORECASE)


def sha384(path: Path) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_a_vendored_file_is_the_one_that_was_hashed(name):
    assert sha384(ROOT / name) == MANIFEST[name]


def test_every_vendored_file_is_in_the_manifest():
    folders = (ROOT / "static/vendor", ROOT / "tests/e2e/vendor")
    found = {str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert found - {"static/vendor/manifest.json"} == set(MANIFEST)


def test_every_library_comes_with_its_licence():
    folders = {str(Path(name).parent) for name in MANIFEST}
    assert {folder for folder in folders if f"{folder}/LICENSE" not in MANIFEST} == set()


def test_the_lock_file_names_no_registry():
    lock = json.loads((ROOT / "config/vendor/package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_own_file_names_an_outside_origin(path):
    assert ELSEWHERE.findall(path.read_text()) == []


# Mail programs know no style sheets and no policy, so mails may style inline.
PAGES = [path for path in sorted((ROOT / "templates").rglob("*.html")) if "mails" not in path.parts]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_styles_inline_or_runs_an_attribute(path):
    text = path.read_text()
    assert re.findall(r"""\s(?:style|on[a-z]+)=["']""", text) == []
    assert re.findall(r"<script(?![^>]*(?:src|nonce)=)", text) == []


def test_the_stylesheet_names_each_vendored_font_by_its_folder():
    css = (ROOT / "static/css/base.css").read_text()
    urls = re.findall(r'url\("\.\./([^"]+)"\)', css)
    assert sorted(f"static/{url}" for url in urls) == sorted(name for name in MANIFEST if name.endswith(".woff2"))
