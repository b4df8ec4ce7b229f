"""What people are told when an anomaly that concerns them changes. Written in the transaction of the change, by `write_history` alone.

A line of history says it all: whom its comment mentions, whom it assigns, what it changes. So no service calls anything here itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from accounts.models import User
from anomalies.models import Comment, Notice
from config.database.prepared import Statement, packed

if TYPE_CHECKING:
    from anomalies.services.history import Line

EXCERPT: Final = 500
KEPT_FOR: Final = timedelta(days=90)
AT_ONCE: Final = 5_000
# What the detector keeps up to date by itself: no news to somebody who watches.
DRIFTING: Final = frozenset({"score", "weight", "weight_breakdown", "peak_value", "message", "anomalous_records_count"})
# Asked for by name comes before being among those who watch.
RANKS: Final = {Notice.Kind.MENTIONED: 1, Notice.Kind.ASSIGNED: 2, Notice.Kind.WATCHED: 3}

JOIN: Final = Statement("""
INSERT INTO anomalies_watch (org_id, anomaly_id, user_id, is_on, created)
SELECT j.org_id, j.anomaly_id, j.user_id, true, %(at)s::timestamptz
  FROM json_to_recordset(%(joining)s) AS j (org_id bigint, anomaly_id bigint, user_id bigint)
  JOIN accounts_user u ON u.id = j.user_id AND u.org_id = j.org_id AND u.is_active AND NOT u.is_service AND NOT u.is_demo
  LEFT JOIN anomalies_noticesettings s ON s.user_id = j.user_id
 WHERE coalesce(s.auto_watch, true)
 ORDER BY j.anomaly_id, j.user_id
ON CONFLICT (anomaly_id, user_id) DO NOTHING
""")

# Of an anomaly that sleeps, only what people do is news. Watches and anomalies are looked up line by line: where they are joined, the
# planner may go through all anomalies in the order of their ids, as it believes from the few that are watched to be through soon.
TELL: Final = Statement("""
WITH line AS (
    SELECT * FROM json_to_recordset(%(lines)s) AS l (org_id bigint, anomaly_id bigint, changeset jsonb, comment text, is_news boolean)
), told AS (
    SELECT DISTINCT ON (anomaly_id, user_id) anomaly_id, user_id, kind
      FROM (SELECT n.anomaly_id, n.user_id, n.kind, n.rank
              FROM json_to_recordset(%(named)s) AS n (anomaly_id bigint, user_id bigint, kind text, rank integer)
             UNION ALL
            SELECT w.anomaly_id, w.user_id, 'watched', 3
              FROM line CROSS JOIN LATERAL (
                       SELECT anomaly_id, user_id FROM anomalies_watch WHERE anomaly_id = line.anomaly_id AND is_on OFFSET 0) w
             WHERE line.is_news AND (%(by)s::bigint IS NOT NULL
                                     OR (SELECT snoozed_at IS NULL FROM anomalies_anomaly WHERE id = line.anomaly_id))) AS reason
     WHERE user_id IS DISTINCT FROM %(by)s::bigint
     ORDER BY anomaly_id, user_id, rank
), wanted AS (
    SELECT told.*,
           CASE kind WHEN 'mentioned' THEN mentioned_in_app WHEN 'assigned' THEN assigned_in_app ELSE watched_in_app END AS in_app,
           CASE kind WHEN 'mentioned' THEN mentioned_email WHEN 'assigned' THEN assigned_email ELSE watched_email END AS by_mail
      FROM told LEFT JOIN anomalies_noticesettings s USING (user_id)
)
INSERT INTO anomalies_notice (org_id, user_id, anomaly_id, kind, transaction_id, by_id, actor, changeset, comment, changes, created,
                              in_app, mail_due)
SELECT line.org_id, w.user_id, w.anomaly_id, w.kind, %(transaction_id)s::bigint, %(by)s::bigint, %(actor)s::text, line.changeset,
       line.comment, 1, %(at)s::timestamptz,
       coalesce(w.in_app, true), CASE WHEN coalesce(w.by_mail, true) THEN %(at)s::timestamptz END
  FROM wanted w
  JOIN line ON line.anomaly_id = w.anomaly_id
  JOIN accounts_user u ON u.id = w.user_id AND u.org_id = line.org_id AND u.is_active AND NOT u.is_service AND NOT u.is_demo
 WHERE coalesce(w.in_app, true) OR coalesce(w.by_mail, true)
 ORDER BY w.anomaly_id, w.user_id
ON CONFLICT (user_id, anomaly_id) WHERE kind = 'watched' AND acknowledged IS NULL DO UPDATE
   SET transaction_id = EXCLUDED.transaction_id, by_id = EXCLUDED.by_id, actor = EXCLUDED.actor, created = EXCLUDED.created,
       changes = anomalies_notice.changes + 1, in_app = EXCLUDED.in_app,
       mail_due = coalesce(anomalies_notice.mail_due, EXCLUDED.mail_due),
       comment = coalesce(nullif(EXCLUDED.comment, ''), anomalies_notice.comment),
       changeset = anomalies_notice.changeset || (
           SELECT jsonb_object_agg(key, CASE WHEN anomalies_notice.changeset ? key
                                             THEN jsonb_build_array(anomalies_notice.changeset -> key -> 0, value -> 1) ELSE value END)
             FROM jsonb_each(EXCLUDED.changeset))
""")


# What a notice tells of a comment, for as long as the comment stands; by the comment's id on either side of the change.
REWORD: Final = Statement("""
UPDATE anomalies_notice n
   SET comment = c.excerpt, changeset = jsonb_set(n.changeset, '{comment,1,message}', to_jsonb(c.message))
  FROM json_to_recordset(%s) AS c (anomaly_id bigint, id bigint, excerpt text, message text)
 WHERE n.anomaly_id = c.anomaly_id AND (n.changeset #>> '{comment,1,id}')::bigint = c.id
""")
DROP: Final = Statement("""
DELETE FROM anomalies_notice n USING json_to_recordset(%s) AS c (anomaly_id bigint, id bigint)
 WHERE n.anomaly_id = c.anomaly_id AND (n.changeset #>> '{comment,1,id}')::bigint = c.id
   AND n.changes = 1 AND n.changeset - 'comment' = '{}'
""")
UNSAY: Final = Statement("""
UPDATE anomalies_notice n
   SET comment = '', changeset = CASE WHEN n.changes = 1 THEN n.changeset - 'comment'
                                      ELSE jsonb_set(jsonb_set(n.changeset, '{comment,0}', 'null'), '{comment,1,message}', '""') END
  FROM json_to_recordset(%s) AS c (anomaly_id bigint, id bigint)
 WHERE n.anomaly_id = c.anomaly_id AND c.id IN ((n.changeset #>> '{comment,0,id}')::bigint, (n.changeset #>> '{comment,1,id}')::bigint)
""")


def reword(comment: Comment) -> None:
    """What was told of the comment is told with its new text."""
    said = {"anomaly_id": comment.anomaly_id, "id": comment.pk, "excerpt": comment.message[:EXCERPT], "message": comment.message}
    REWORD.run(packed([said]))


def unsay(comments: Sequence[Comment]) -> None:
    """Nobody is told of the comments any more; a notice that told of nothing else goes."""
    gone = packed([{"anomaly_id": comment.anomaly_id, "id": comment.pk} for comment in comments])
    DROP.run(gone)
    UNSAY.run(gone)


def tell(lines: Sequence["Line"], *, transaction_id: int, user: User | None, actor: str, at: datetime) -> None:
    """Tells whoever `lines` mention, assign or are watched by, but never `user`, who did it. At most two statements.

    Whoever comments, is mentioned or assigned watches from now on, unless they have switched that off, for themselves or for this anomaly.
    """
    lines = one_each(lines)
    named = [one for line in lines if not line.is_asleep for one in named_in(line)]
    commented = [{"org_id": line.org_id, "anomaly_id": line.anomaly_id, "user_id": user.pk} for line in lines if line.comment and user]
    joining = [one for line in lines for one in named_in(line)] + commented
    rows = [row_of(line, is_news=is_news(line)) for line in lines]
    if joining:
        JOIN.run(joining=packed(joining), at=at)
    if named or any(row["is_news"] for row in rows):
        values = {"lines": packed(rows), "named": packed(named), "by": user.pk if user else None}
        TELL.run(**values, transaction_id=transaction_id, actor=actor, at=at)


def one_each(lines: Sequence["Line"]) -> list["Line"]:
    """Of several lines about one anomaly, one that tells of all."""
    found: dict[int, Line] = {}
    for line in lines:
        before = found.get(line.anomaly_id)
        found[line.anomaly_id] = line if before is None else joined(before, line)
    return list(found.values())


def joined(first: "Line", second: "Line") -> "Line":
    """What both say, from the first's before to the second's after."""
    both = {field: (first.changeset[field][0], pair[1]) if field in first.changeset else pair for field, pair in second.changeset.items()}
    return replace(
        second,
        changeset={**first.changeset, **both},
        comment=second.comment or first.comment,
        mentioned=tuple(dict.fromkeys((*first.mentioned, *second.mentioned))),
    )


def named_in(line: "Line") -> list[dict[str, Any]]:
    """One per person whom the line mentions or newly assigns."""
    mentioned = [person(line, pk, Notice.Kind.MENTIONED) for pk in line.mentioned]
    return mentioned + [person(line, pk, Notice.Kind.ASSIGNED) for pk in sorted(newly_assigned(line))]


def person(line: "Line", pk: int, kind: Notice.Kind) -> dict[str, Any]:
    return {"org_id": line.org_id, "anomaly_id": line.anomaly_id, "user_id": pk, "kind": kind.value, "rank": RANKS[kind]}


def newly_assigned(line: "Line") -> set[int]:
    before, after = line.changeset.get("assignees", ((), ()))
    return ids_of(after) - ids_of(before)


def ids_of(people: object) -> set[int]:
    """Of a list of {id, name}; of None, none."""
    return {one["id"] for one in people} if isinstance(people, Sequence) else set()


def is_news(line: "Line") -> bool:
    """Whether those who watch want to know. What was just born nobody watches; a deleted comment is to be forgotten, sleep kept."""
    is_birth = "status" in line.changeset and line.changeset["status"][0] is None
    is_forgotten = set(line.changeset) == {"comment"} and line.changeset["comment"][1] is None
    return not (is_birth or is_forgotten or line.is_asleep or DRIFTING.issuperset(line.changeset))


def row_of(line: "Line", *, is_news: bool) -> dict[str, Any]:
    changeset = {field: list(pair) for field, pair in line.changeset.items()}
    return {
        "org_id": line.org_id,
        "anomaly_id": line.anomaly_id,
        "changeset": changeset,
        "comment": line.comment[:EXCERPT],
        "is_news": is_news,
    }


def drop_old(*, now: datetime) -> int:
    """Forgets what was told long ago, read or not; the history stays. In the caller's org; how many went."""
    old, dropped = Notice.objects.filter(created__lt=now - KEPT_FOR).order_by(), 0
    while chunk := list(old.values_list("pk", flat=True)[:AT_ONCE]):
        dropped += Notice.objects.filter(pk__in=chunk).delete()[0]
    return dropped
