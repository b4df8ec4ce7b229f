"""Making the product ready: what is done each time, and what only when it is needed."""

import os
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import get_finder

from config import product


@pytest.fixture
def static(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STATICFILES_DIRS = [tmp_path / "own"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    (tmp_path / "own").mkdir()
    (tmp_path / "own/a.css").write_text("a {}")
    get_finder.cache_clear()
    yield Path(settings.STATIC_ROOT)
    get_finder.cache_clear()


def test_static_files_are_collected_when_something_changed_and_only_then(static, tmp_path):
    product.collect_static()
    copied = static / "a.css"
    assert copied.read_text() == "a {}"
    copied.write_text("touched")
    product.collect_static()
    assert copied.read_text() == "touched"
    (tmp_path / "own/b.css").write_text("b {}")
    product.collect_static()
    assert (copied.read_text(), (static / "b.css").read_text()) == ("a {}", "b {}")


def test_a_file_that_is_gone_is_gone_from_the_collection(static, tmp_path):
    (tmp_path / "own/b.css").write_text("b {}")
    product.collect_static()
    os.remove(tmp_path / "own/b.css")
    product.collect_static()
    assert sorted(path.name for path in static.iterdir()) == [".collected", "a.css"]
