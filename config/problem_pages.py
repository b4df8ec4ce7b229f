"""/problems/<slug>: what the `type` of an error of the REST API leads to. Made from the errors themselves, so that none is left out."""

import inspect
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.api.problems import PROBLEMS
from orgs.errors import DomainError


@dataclass(frozen=True)
class Kind:
    """One kind of error: what it means, and what a caller can do."""

    type: str
    title: str
    status: int
    meaning: str
    advice: str

    @property
    def slug(self) -> str:
        return self.type.rpartition("/")[2]


def kinds() -> dict[str, Kind]:
    """Every kind of error by its slug, by status and name."""
    found = {slug: Kind(f"/problems/{slug}", title, status, "", advice) for status, (slug, title, advice) in PROBLEMS.items()}
    for error in _tree(DomainError):
        advice = PROBLEMS.get(error.status, PROBLEMS[400])[2]
        meaning = " ".join((inspect.getdoc(error) or "").split("\n\n")[0].split())
        if error.slug not in found or not found[error.slug].meaning:
            found[error.slug] = Kind(f"/problems/{error.slug}", error.title, error.status, meaning, advice)
    return dict(sorted(found.items(), key=lambda item: (item[1].status, item[0])))


def _tree(error: type[DomainError]) -> Iterator[type[DomainError]]:
    """The error and all below it, those nearest first."""
    level = [error]
    while level:
        yield from level
        level = [below for above in level for below in above.__subclasses__()]


@login_not_required
@require_safe
def problem(request: HttpRequest, slug: str) -> HttpResponse:
    """A page for people; for programs the same as JSON."""
    known = kinds()
    if slug not in known:
        raise Http404
    if "text/html" not in request.headers.get("Accept", ""):
        return JsonResponse(asdict(known[slug]))
    return render(request, "errors/problem.html", {"kind": known[slug], "kinds": known.values()})
