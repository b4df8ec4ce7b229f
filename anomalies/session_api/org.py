"""/org/summary and /org/graph: the org at a glance."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.http import HttpResponse

from anomalies.org_overview import Counts, Series, Top, counts_of, summary_of
from config.api.session import Call, Data, endpoint, signed_url, signing, stamps
from config.api.session.parameters import Choice, Integer, window
from metrics.api.images import HEIGHTS, SVG_POLICY, WIDTHS
from metrics.charts import CONTENT_TYPES, Form, Picture, draw
from metrics.looks import LOOKS, Theme


@endpoint("/org/summary", operation="org.overview", parameters=window())
def summary(call: Call, *, since: int, until: int) -> Data:
    """What the org has, and what happened between `from` and `until`: anomalies that began, by day and by metric; alerts sent."""
    found = summary_of(call.caller, start=moment(since), end=moment(until), zone=call.zone)  # type: ignore[arg-type]  # the operation lets nobody else in
    return {
        "from": since,
        "until": until,
        "metrics": {"total": found.metrics, "active": found.active, "stale": found.stale},
        "anomalies": {"total": found.anomalies, "open": found.open_anomalies, "by_day": [day_shown(*day, call) for day in found.by_day]},
        "alerts_sent": found.alerts_sent,
        "top_metrics": [top_shown(row, call) for row in found.top_metrics],
        "graph_url": signed_url("/org/graph", call.org, {"series": "anomalies", "from": since, "until": until}, now_s=call.now_s),
    }


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def day_shown(day: datetime, count: int, call: Call) -> dict[str, Any]:
    told = stamps("", day, call.zone)
    return {"day": f"{day:%Y-%m-%d}", "timestamp": told["_timestamp"], "timestamp_string": told["_string"], "count": count}


def top_shown(top: Top, call: Call) -> dict[str, Any]:
    told = stamps("last_anomaly", top.last, call.zone)
    return {"metric_id": top.metric_id, "metric": top.name, "anomalies_count": top.count, **told}


@endpoint(
    "/org/graph",
    operation="org.overview",
    produces="image/png",
    parameters=(
        *window(),
        Choice(name="series", choices=("anomalies", "metrics", "alerts"), default="anomalies", help="What is counted."),
        Choice(name="format", argument="form", choices=(*CONTENT_TYPES, "json"), default="png", help="A picture, or the counts."),
        Choice(name="theme", choices=tuple(LOOKS), default="light"),
        Integer(name="width", default=900, least=WIDTHS[0], most=WIDTHS[1], help="Pixels."),
        Integer(name="height", default=300, least=HEIGHTS[0], most=HEIGHTS[1], help="Pixels."),
        *signing(),
    ),
    example={"series": "anomalies", "format": "json"},
)
def graph(call: Call, *, since: int, until: int, series: Series, form: str, theme: Theme, width: int, height: int) -> Data | HttpResponse:
    """How many anomalies, metrics or alerts came up over time: by the hour, beyond two weeks by the day.

    As JSON it also holds `image_url`, a signed address of the picture that opens without a session for two weeks.
    """
    counts = counts_of(call.caller, series, since=since, until=until)  # type: ignore[arg-type]  # the operation lets nobody else in
    if form == "json":
        timeseries = np.column_stack([counts.starts_ms // 1000, counts.counts.astype(np.int64)])
        look = {"series": series, "from": since, "until": until, "theme": theme, "width": width, "height": height}
        image_url = signed_url("/org/graph", call.org, look, now_s=call.now_s)
        return {
            "series": series, "resolution": counts.step_s, "from": since, "until": until, "timeseries": timeseries, "image_url": image_url,
        }  # fmt: skip
    picture = picture_of(counts, call, title=f"{series.title()} of {call.org.name}", since=since, until=until)
    return image(
        draw(picture, form="svg" if form == "svg" else "png", theme=theme, width=width, height=height),
        form="svg" if form == "svg" else "png",
    )


def picture_of(counts: Counts, call: Call, *, title: str, since: int, until: int) -> Picture:
    nothing, none = np.zeros(0, np.int64), np.zeros(0)
    return Picture(
        title=title,
        start_ms=since * 1000,
        end_ms=until * 1000,
        timestamps_ms=counts.starts_ms,
        values=counts.counts,
        band_ms=nothing,
        expected=none,
        lower=none,
        upper=none,
        zone=call.zone,
    )


def image(drawn: bytes, *, form: Form) -> HttpResponse:
    headers = {"ETag": f'"{hashlib.blake2b(drawn, digest_size=12).hexdigest()}"', "Cache-Control": "private, no-cache"}
    return HttpResponse(
        drawn, content_type=CONTENT_TYPES[form], headers=headers | ({"Content-Security-Policy": SVG_POLICY} if form == "svg" else {})
    )
