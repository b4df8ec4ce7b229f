"""How many of the anomalies of a list have which status, type, datastore, container, rule, tag and assignee.

Each facet is counted without its own filter, as people expect of boxes of which they may tick several. One statement counts all of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection

from anomalies.querysets import AnomalyQuerySet
from config.api.pagination import COUNT_CAP

# Of a larger set, the newest so many are looked at; the answer says so.
LOOKED_AT: Final = 50_000
NEWEST: Final = ("-created", "-weight", "-pk")
VALUES_SHOWN: Final = 100
COLUMNS: Final = ("id", "org_id", "status", "type", "datastore_id", "container_id")

# What is counted once for all facets that are columns.
CELLS: Final = "{cells} AS (SELECT status, type, datastore_id, container_id, count(*) AS count FROM {found} GROUP BY 1, 2, 3, 4)"
# By facet: value, name and count of each value in {found}, which has the COLUMNS, and in its {cells}.
COUNTS: Final = {
    "status": "SELECT status AS value, status AS name, sum(count)::bigint AS count FROM {cells} GROUP BY status",
    "type": "SELECT type AS value, type AS name, sum(count)::bigint AS count FROM {cells} GROUP BY type",
    "datastore": """SELECT d.id::text AS value, d.name, n.count
        FROM (SELECT datastore_id, sum(count)::bigint AS count FROM {cells} GROUP BY 1) n
        JOIN datastores_datastore d ON d.id = n.datastore_id""",
    "container": """SELECT c.id::text AS value, c.name, n.count
        FROM (SELECT container_id, sum(count)::bigint AS count FROM {cells} WHERE container_id IS NOT NULL GROUP BY 1) n
        JOIN datastores_container c ON c.id = n.container_id""",
    "rule": """SELECT rule_type AS value, rule_type AS name, count(DISTINCT anomaly_id) AS count
        FROM anomalies_failedcheck x JOIN {found} f ON f.id = x.anomaly_id AND f.org_id = x.org_id GROUP BY rule_type""",
    "tag": """SELECT t.name AS value, t.name, n.count
        FROM (SELECT x.tag_id, count(*)
                FROM anomalies_anomaly_global_tags x JOIN {found} f ON f.id = x.anomaly_id AND f.org_id = x.org_id GROUP BY 1) n
        JOIN anomalies_tag t ON t.id = n.tag_id""",
    "assignee": """SELECT coalesce(u.id::text, 'none') AS value, coalesce(u.name, 'Nobody') AS name, n.count
        FROM (SELECT x.user_id, count(*)
                FROM {found} f LEFT JOIN anomalies_anomaly_assignees x ON x.anomaly_id = f.id AND x.org_id = f.org_id GROUP BY 1) n
        LEFT JOIN accounts_user u ON u.id = n.user_id""",
}
FACETS: Final = tuple(COUNTS)
FOUND: Final = "found_{}"
CELLS_OF: Final = "cells_of_{}"
SIZE: Final = "(SELECT '', '{found}', '', count(*) FROM {found})"
# The chosen values first, so that they are among those that are shown.
BRANCH: Final = """(SELECT '{facet}', value, name, count FROM ({counts}) AS counted
    ORDER BY (value = ANY(%s)) DESC, count DESC, name, value LIMIT %s)"""

Compiled = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Value:
    """One value of a facet: as filters take it, its name, and how many have it, at least when `is_capped`."""

    value: str
    name: str
    count: int
    is_capped: bool


@dataclass(frozen=True)
class Facet:
    """The values of one facet, the most frequent first; `has_more` when there are others."""

    values: tuple[Value, ...]
    has_more: bool


@dataclass(frozen=True)
class Facets:
    """All of them. `total` is that of the whole filter, `is_incomplete` when sets were so large that only a part was looked at."""

    total: int
    is_capped: bool
    is_incomplete: bool
    by_name: Mapping[str, Facet]


def count_facets(
    sets: Mapping[str, AnomalyQuerySet], whole: AnomalyQuerySet, *, chosen: Mapping[str, Collection[str]], look_at: int | None = None
) -> Facets:
    """The facets, each counted in its own set (`sets`, by facet) and the total in `whole`; `chosen` values are shown however rare.

    A facet without a set has no values. Of each set the newest `look_at` (LOOKED_AT) are looked at.
    """
    look_at = look_at or LOOKED_AT
    different: list[Compiled] = []
    # Most sets are the whole: each is compiled once.
    names = {key: _name_of(rows, different, look_at) for key, rows in {id(rows): rows for rows in (*sets.values(), whole)}.items()}
    found = {facet: names[id(rows)] for facet, rows in {**sets, "": whole}.items()}
    if not different:
        return Facets(0, False, False, {facet: Facet((), False) for facet in FACETS})
    statement, params = _statement(found, different, chosen)
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return _facets(cursor.fetchall(), found, look_at)


def _name_of(rows: AnomalyQuerySet, different: list[Compiled], look_at: int) -> str:
    """The name of the set in the statement, equal sets being one; empty for a set that is known to be empty."""
    try:
        compiled = rows.order_by(*NEWEST).values_list(*COLUMNS)[: look_at + 1].query.sql_with_params()
    except EmptyResultSet:
        return ""
    if compiled not in different:
        different.append(compiled)
    return FOUND.format(different.index(compiled))


def _statement(found: Mapping[str, str], different: Sequence[Compiled], chosen: Mapping[str, Collection[str]]) -> tuple[str, list[Any]]:
    names = [FOUND.format(number) for number in range(len(different))]
    columns = ", ".join(COLUMNS)
    parts = [f"{name} ({columns}) AS MATERIALIZED ({sql})" for name, (sql, _) in zip(names, different, strict=True)]
    parts += [CELLS.format(cells=CELLS_OF.format(name), found=name) for name in names]
    params: list[Any] = [value for _, values in different for value in values]
    branches = [SIZE.format(found=name) for name in names]
    for facet in FACETS:
        if name := found.get(facet):
            branches.append(BRANCH.format(facet=facet, counts=COUNTS[facet].format(found=name, cells=CELLS_OF.format(name))))
            params += [list(chosen.get(facet, ())), VALUES_SHOWN + 1]
    return f"WITH {', '.join(parts)} {' UNION ALL '.join(branches)}", params


def _facets(rows: Iterable[tuple[str, str, str, int]], found: Mapping[str, str], look_at: int) -> Facets:
    by_name: dict[str, list[Value]] = {facet: [] for facet in FACETS}
    sizes: dict[str, int] = {}
    for facet, value, name, count in rows:
        if facet:
            by_name[facet].append(Value(value, name, min(count, COUNT_CAP), count > COUNT_CAP))
        else:
            sizes[value] = count
    total = sizes.get(found[""], 0)
    shown = {facet: Facet(_sorted(values[:VALUES_SHOWN]), len(values) > VALUES_SHOWN) for facet, values in by_name.items()}
    return Facets(min(total, COUNT_CAP), total > COUNT_CAP, any(size > look_at for size in sizes.values()), shown)


def _sorted(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(sorted(values, key=lambda one: (-one.count, one.name, one.value)))
