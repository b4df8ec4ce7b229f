"""/api/audit-logs/masking, and that what stands in it stays."""

from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from datastores.audit import record_unmasking
from datastores.models import AuditEntry
from orgs.models import Org

pytestmark = pytest.mark.django_db
HERE = "/api/audit-logs/masking"


def entry(user, *, resource_type="anomaly", resource_id=7, names=("email",), ip_address="192.0.2.7") -> AuditEntry:
    return record_unmasking(
        user,
        resource_type=AuditEntry.Resource(resource_type),
        resource_id=resource_id,
        masked_field_names=names,
        endpoint="/api/anomalies/7/source-record",
        ip_address=ip_address,
    )


def test_an_admin_reads_who_looked_at_what(as_, admin, editor):
    made = entry(editor, names=("email", "phone"))
    (shown,) = as_(admin).get(HERE).json()["items"]
    assert shown.pop("created").endswith("Z")
    assert shown == {
        "id": made.pk, "user_id": editor.pk, "user": {"id": editor.pk, "name": "Eve Editor", "email": editor.email},
        "user_email": editor.email, "action": "unmask_field_values", "resource_type": "anomaly", "resource_id": 7,
        "masked_field_names": ["email", "phone"], "endpoint": "/api/anomalies/7/source-record", "ip_address": "192.0.2.7",
    }  # fmt: skip


def test_only_admins_of_the_org_read_it(as_, as_org, cast, editor):
    entry(editor)
    for who in ("manager", "editor", "viewer", "stranger"):
        assert as_(cast[who]).get(HERE).status_code == 403, who
    assert as_org.get(HERE).status_code == 403
    assert as_(cast["outsider"]).get(HERE).json()["total"] == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("user_id={editor}", [2, 1]), ("user_id={editor},{manager}", [3, 2, 1]), ("resource_type=container", [3]),
        ("resource_id=7", [2, 1]), ("action=unmask_field_values&sort_created=asc", [1, 2, 3]),
        ("start_date=2026-03-02T00:00:00Z", [3, 2]), ("start_date=2026-03-01T00:00:00Z&end_date=2026-03-02T00:00:00Z", [1]),
    ],
)  # fmt: skip
def test_it_filters(as_, admin, editor, manager, query, found):
    numbers = {}
    for day, (user, resource) in enumerate(((editor, ("anomaly", 7)), (editor, ("anomaly", 7)), (manager, ("container", 9))), start=1):
        made = AuditEntry.objects.create(
            org=user.org, user=user, user_email=user.email, action="unmask_field_values",
            resource_type=resource[0], resource_id=resource[1],
            masked_field_names=["email"], endpoint="/api/x", created=datetime(2026, 3, day, tzinfo=UTC),
        )  # fmt: skip
        numbers[made.pk] = day
    listed = as_(admin).get(f"{HERE}?{query.format(editor=editor.pk, manager=manager.pk)}").json()["items"]
    assert [numbers[one["id"]] for one in listed] == found


@pytest.mark.parametrize("query", ["user=1", "user_id=x", "action=read", "resource_type=table", "start_date=2026-03-01"])
def test_what_it_does_not_know_is_refused(as_, admin, query):
    answer = as_(admin).get(f"{HERE}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", query.partition("=")[0]])


@pytest.mark.parametrize("statement", ["UPDATE datastores_auditentry SET user_email = 'x'", "DELETE FROM datastores_auditentry"])
def test_the_database_lets_nobody_alter_it(editor, statement):
    entry(editor)
    with pytest.raises(ProgrammingError, match="never altered or deleted"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.get().user_email == editor.email


def test_it_is_not_emptied(editor):
    entry(editor)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(ProgrammingError, match="never altered or deleted"), transaction.atomic():
            cursor.execute("TRUNCATE datastores_auditentry")
    assert AuditEntry.objects.count() == 1


def test_it_outlives_whoever_looked_and_goes_with_the_org(editor, org):
    address = editor.email
    entry(editor, ip_address="")
    editor.delete()
    kept = AuditEntry.objects.get()
    assert (kept.user, kept.user_email, kept.ip_address) == (None, address, None)
    Org.objects.filter(pk=org.pk).delete()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert AuditEntry.objects.count() == 0


def test_queries_do_not_grow_with_the_entries(as_, admin, editor, same_queries):
    client = as_(admin)
    for number in range(5):
        entry(editor, resource_id=number)
    same_queries("masking audit", lambda: client.get(HERE))
