"""What the `type` of an error leads to."""

import pytest
from django.test import Client

from config.api.problems import PROBLEMS
from config.problem_pages import kinds
from orgs.errors import Archived, StaleVersion

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


def test_every_status_and_every_error_of_the_tree_has_its_page():
    assert {slug for slug, _, _ in PROBLEMS.values()} | {Archived.slug, StaleVersion.slug, "stale-state"} <= set(kinds())
    assert all(kind.advice.endswith(".") and kind.title for kind in kinds().values())


@pytest.mark.parametrize("slug", ["invalid", "archived", "too-many-requests", "internal"])
def test_a_browser_gets_a_page_without_logging_in(db, slug):
    page = Client(headers=BROWSER).get(f"/problems/{slug}")
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{kinds()[slug].title}</h1>" in page.content.decode()
    assert f'href="/problems/{"invalid" if slug != "invalid" else "archived"}"' in page.content.decode()


def test_a_program_gets_the_same_as_json():
    answer = Client().get("/problems/archived")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "type": "/problems/archived", "title": "Archived", "status": 409, "advice": PROBLEMS[409][2],
            "meaning": "The anomaly is archived and has to be restored before it can be changed.",
        },
    )  # fmt: skip


def test_the_type_of_an_answer_leads_to_its_page(db):
    problem = Client().get("/api/anomalies").json()
    assert Client().get(problem["type"]).json()["title"] == problem["title"]


@pytest.mark.parametrize("path", ["/problems/nothing", "/problems/", "/problems/a/b"])
def test_a_kind_that_does_not_exist_is_404(db, path):
    assert Client().get(path).status_code == 404


def test_it_is_read_only(db):
    assert Client().post("/problems/invalid").status_code == 405
