"""The first page: is anything wrong, is anything missing, do points arrive."""

from dataclasses import dataclass
from typing import Final

from django.db.models import Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.pages.readers import reader
from anomalies.models import Anomaly
from anomalies.pages.listing import CAP, ORDER, capped_count, in_words, newest_of
from anomalies.pages.rows import rows_of
from anomalies.pages.series import series_of, series_rows
from metrics.pages.start import is_new_here
from metrics.pulse import MINUTES, Pulse, ingest_pulse

HEAVIEST_SHOWN: Final = 8
SERIES_SHOWN: Final = 6
BAR_WIDTH: Final = 4
BAR_HEIGHT: Final = 30


@dataclass(frozen=True)
class Bar:
    """One minute of ingestion in a drawing of MINUTES bars."""

    x: int
    y: int
    height: int


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """The page. What it reads does not grow with what there is: the heaviest are those of the newest CAP."""
    user, now = reader(request), timezone.now()
    if is_new_here(user) and not series_of(user).exists():
        return redirect("start")
    unsettled = Anomaly.objects.visible_to(user).open().awake()
    newest = unsettled.order_by(*ORDER).values("pk")[:CAP]
    heaviest = Anomaly.objects.visible_to(user).filter(pk__in=Subquery(newest)).for_rows().order_by("-weight", "-created", "-pk")
    pulse = ingest_pulse(user.org_id, now)
    troubled, learning = series_of(user, state="trouble"), series_of(user, state="learning")
    stale = series_of(user, state="stale")
    context = {
        "rows": rows_of(heaviest[:HEAVIEST_SHOWN], user, now=now, allowed=frozenset()),
        "newest": newest_of(user),
        "open": in_words(capped_count(unsettled)),
        "unseen": in_words(capped_count(unsettled.filter(is_new=True))),
        "series": in_words(capped_count(series_of(user))),
        "troubled": in_words(capped_count(troubled)),
        "stale": in_words(capped_count(stale)),
        "learning": in_words(capped_count(learning)),
        "rate": pulse.rate,
        "bars": bars_of(pulse),
        "width": BAR_WIDTH * MINUTES,
        "silent": series_rows(stale.select_related("datastore")[:SERIES_SHOWN], user, now),
        "learners": series_rows(learning.select_related("datastore")[:SERIES_SHOWN], user, now),
    }
    return render(request, "anomalies/overview.html", context)


def bars_of(pulse: Pulse) -> tuple[Bar, ...]:
    """The tallest minute fills the drawing; a minute with any point is at least one pixel high."""
    most = max(*pulse.per_minute, 1)
    heights = [min(BAR_HEIGHT, max(1 if count else 0, round(BAR_HEIGHT * count / most))) for count in pulse.per_minute]
    return tuple(Bar(BAR_WIDTH * minute, BAR_HEIGHT - height, height) for minute, height in enumerate(heights))
