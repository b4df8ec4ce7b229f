"""Anomalies as the API shows them. PostgreSQL writes the JSON of a page in one statement: with objects of Python's in between, a page of
50 takes five times as long (docs/benchmarks.md). `AnomalySerializer` describes the same shape, and a test holds the two together.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import orjson

from accounts.callers import Caller
from accounts.models import Level
from config.database.prepared import Statement
from datastores.querysets import sees_whole_org
from datastores.reach import reach_sql

# A problem that comes back for years has thousands; the list has a filter for all of them.
MAX_DUPLICATES: Final = 100
# Where what an anomaly is linked to must lie; the datastore of the anomaly itself is asked first, and nearly always enough.
ANYWHERE: Final = "true"
WITHIN_REACH: Final = "(o.datastore_id = a.datastore_id OR o.datastore_id IN (SELECT datastore FROM reach))"
REACH: Final = "WITH reach (datastore) AS MATERIALIZED ({reach})"


def _moment(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


def _finite(column: str) -> str:
    """JSON has no NaN and no infinity: null."""
    return f"CASE WHEN {column} > '-Infinity' AND {column} < 'Infinity' THEN {column} END"


DOCUMENTS: Final = f"""
SELECT json_build_object(
    'id', a.id, 'uuid', a.uuid, 'type', a.type, 'status', a.status, 'archived', a.status NOT IN ('Active', 'Acknowledged'),
    'is_new', a.is_new, 'weight', a.weight, 'weight_breakdown', a.weight_breakdown, 'message', a.message,
    'description', a.description, 'anomalous_records_count', a.anomalous_records_count, 'source_enriched', a.source_enriched,
    'fingerprint', a.fingerprint, 'created', {_moment("a.created")}, 'updated', {_moment("a.updated")},
    'global_tags', coalesce((
        SELECT json_agg(json_build_object(
            'id', t.id, 'name', t.name, 'color', t.color, 'weight_modifier', t.weight_modifier) ORDER BY t.name, t.id)
          FROM anomalies_anomaly_global_tags x JOIN anomalies_tag t ON t.id = x.tag_id WHERE x.anomaly_id = a.id), '[]'),
    'assignees', coalesce((
        SELECT json_agg(json_build_object('id', u.id, 'name', u.name, 'email', u.email) ORDER BY u.name, u.id)
          FROM anomalies_anomaly_assignees x JOIN accounts_user u ON u.id = x.user_id WHERE x.anomaly_id = a.id), '[]'),
    'failed_checks', coalesce((
        SELECT json_agg(json_build_object(
            'id', f.quality_check_id, 'rule_type', f.rule_type, 'message', f.message,
            'suggested_field', f.suggested_field, 'suggested_value', f.suggested_value, 'suggested_score', f.suggested_score) ORDER BY f.id)
          FROM anomalies_failedcheck f WHERE f.anomaly_id = a.id), '[]'),
    'datastore', json_build_object('id', d.id, 'name', d.name),
    'container', CASE WHEN c.id IS NOT NULL THEN json_build_object('id', c.id, 'name', c.name) END,
    'container_scan', CASE WHEN a.container_scan_id IS NOT NULL THEN json_build_object('id', a.container_scan_id) END,
    'partition_scan', CASE WHEN a.partition_scan_id IS NOT NULL THEN json_build_object('id', a.partition_scan_id) END,
    'metric', CASE WHEN m.id IS NOT NULL THEN json_build_object('id', m.id, 'name', m.name) END,
    'kind', a.kind, 'started_at', {_moment("a.started_at")}, 'ended_at', {_moment("a.ended_at")}, 'peak_at', {_moment("a.peak_at")},
    'peak_value', {_finite("a.peak_value")}, 'expected', {_finite("a.expected")},
    'expected_lower', {_finite("a.expected_lower")}, 'expected_upper', {_finite("a.expected_upper")},
    'score', {_finite("a.score")}, 'direction', a.direction, 'detectors', a.detectors, 'is_backfilled', a.is_backfilled,
    'duplicate_of', (
        SELECT json_build_object('id', o.id, 'uuid', o.uuid)
          FROM anomalies_anomaly o WHERE o.id = a.duplicate_of_id AND {{linked}}),
    'duplicates', coalesce((
        SELECT json_agg(json_build_object('id', near.id, 'uuid', near.uuid) ORDER BY near.id)
          FROM (SELECT o.id, o.uuid FROM anomalies_anomaly o
                 WHERE o.duplicate_of_id = a.id AND o.deleted IS NULL AND {{linked}} ORDER BY o.id LIMIT {MAX_DUPLICATES}) near), '[]'),
    'snooze', CASE WHEN a.snoozed_at IS NOT NULL THEN json_build_object(
        'until', {_moment("a.snooze_until")}, 'count', a.snooze_count, 'weight', a.snooze_weight, 'back_in_band', a.snooze_back_in_band,
        'at', {_moment("a.snoozed_at")},
        'by', (SELECT json_build_object('id', u.id, 'name', u.name) FROM accounts_user u WHERE u.id = a.snoozed_by_id)) END,
    'deleted', {_moment("a.deleted")},
    'deleted_by', (SELECT json_build_object('id', u.id, 'name', u.name) FROM accounts_user u WHERE u.id = a.deleted_by_id)
)::text
  FROM unnest(%s::bigint[]) WITH ORDINALITY AS wanted (id, place)
  JOIN anomalies_anomaly a ON a.id = wanted.id
  JOIN datastores_datastore d ON d.id = a.datastore_id
  LEFT JOIN datastores_container c ON c.id = a.container_id
  LEFT JOIN metrics_metric m ON m.id = a.metric_id
 ORDER BY wanted.place
"""  # noqa: S608 - column names of this module


def documents(ids: Sequence[int], *, caller: Caller) -> list[orjson.Fragment]:
    """The anomalies with these ids, in their order, as JSON. Whoever asks has seen to it that the caller may see them; originals and
    duplicates in datastores that the caller does not see are left out.
    """
    return [orjson.Fragment(text) for text in _texts(ids, caller)]


def lines(ids: Sequence[int], *, caller: Caller) -> bytes:
    """The same, each on a line of its own."""
    return "".join(f"{text}\n" for text in _texts(ids, caller)).encode()


def document(pk: int, *, caller: Caller) -> dict[str, Any]:
    """One anomaly as `documents` shows it, as values. Raises IndexError if there is none."""
    shown: dict[str, Any] = orjson.loads(_texts([pk], caller)[0])
    return shown


def _texts(ids: Sequence[int], caller: Caller) -> list[str]:
    if not ids:
        return []
    if sees_whole_org(caller):
        return [text for (text,) in _statement("").rows(list(ids))]
    reach, params = reach_sql(caller, level=Level.REPORTER)
    return [text for (text,) in _statement(reach).rows(*params, list(ids))]


@cache
def _statement(reach: str) -> Statement:
    """`reach` is the query for the datastores that the caller sees; empty: all of the org."""
    text = DOCUMENTS.replace("{linked}", WITHIN_REACH if reach else ANYWHERE)
    return Statement(REACH.format(reach=reach) + text if reach else text)
