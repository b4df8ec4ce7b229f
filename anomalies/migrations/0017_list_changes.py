"""Triggers note which transactions change what lists of anomalies show, so that a list that was read before can be shown again."""

import django.db.models.deletion
from django.db import migrations, models

TABLE = "anomalies_listchange"
OWNED = f"""
ALTER TABLE {TABLE} ADD CONSTRAINT list_change_goes_with_its_org FOREIGN KEY (org_id) REFERENCES orgs_org (id) ON DELETE CASCADE
"""
# Of an anomaly, what no list filters or sorts by may change without a word: somebody opens one, and the lists stay as they are.
TOLD = (
    "status", "type", "weight", "message", "fingerprint", "created", "datastore_id", "container_id", "metric_id", "container_scan_id",
    "partition_scan_id", "anomalous_records_count", "source_enriched", "snoozed_at", "deleted", "kind", "direction", "score", "started_at",
    "is_backfilled",
)
NOTE = f"""
    INSERT INTO {TABLE} (org_id, xid, at) SELECT DISTINCT org_id, (pg_current_xact_id()::text)::bigint, now() FROM {{changed}}
        ON CONFLICT DO NOTHING;
    RETURN NULL;"""
# With the owner's rights, since whoever writes an anomaly may have no others; they take no arguments, and nothing but a trigger calls them.
FUNCTION = """
DO $outer$ BEGIN EXECUTE format($inner$
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = %I, pg_temp AS $body$
BEGIN{body}
END $body$
$inner$, current_schema()); END $outer$
"""
DIFFERENT = f"changed JOIN before USING (id, org_id) WHERE ({', '.join(f'changed.{c}' for c in TOLD)}) IS DISTINCT FROM ({', '.join(f'before.{c}' for c in TOLD)})"
ANY = FUNCTION.format(name="anomalies_note_change", body=NOTE.format(changed="changed"))
UPDATED = FUNCTION.format(name="anomalies_note_update", body=NOTE.format(changed=DIFFERENT))
TRIGGER = "CREATE TRIGGER note_{event} AFTER {event} ON {table} REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
NEW, OLD = "NEW TABLE AS changed", "OLD TABLE AS changed"
# The names of tags are what lists filter by.
TABLES = (
    "anomalies_anomaly", "anomalies_anomaly_global_tags", "anomalies_anomaly_assignees", "anomalies_failedcheck", "anomalies_failedfield",
    "anomalies_tag",
)  # fmt: skip


def triggers(table):
    updated = f"{NEW} OLD TABLE AS before" if table == "anomalies_anomaly" else NEW
    function = "anomalies_note_update" if table == "anomalies_anomaly" else "anomalies_note_change"
    yield "INSERT", TRIGGER.format(event="INSERT", table=table, rows=NEW, function="anomalies_note_change")
    yield "DELETE", TRIGGER.format(event="DELETE", table=table, rows=OLD, function="anomalies_note_change")
    yield "UPDATE", TRIGGER.format(event="UPDATE", table=table, rows=updated, function=function)

# The search looks in the names of series too; one that is new has no anomalies yet. Detection writes series all the time, but no names.
RENAMED = FUNCTION.format(
    name="anomalies_note_rename",
    body=f"""
    INSERT INTO {TABLE} (org_id, xid, at) VALUES (NEW.org_id, (pg_current_xact_id()::text)::bigint, now()) ON CONFLICT DO NOTHING;
    RETURN NULL;""",
)
RENAME = """
CREATE TRIGGER note_rename AFTER UPDATE OF name ON metrics_metric
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION anomalies_note_rename()
"""


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0016_list_cover"), ("orgs", "0009_closing")]

    operations = [
        migrations.CreateModel(
            name="ListChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("xid", models.BigIntegerField(help_text="The transaction, by the number that PostgreSQL gives it.")),
                ("at", models.DateTimeField()),
                (
                    "org",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orgs.org",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["at"], name="list_change_age")],
                "constraints": [models.UniqueConstraint(fields=("org", "xid"), name="list_change_once")],
            },
        ),
        migrations.RunSQL(OWNED, f"ALTER TABLE {TABLE} DROP CONSTRAINT list_change_goes_with_its_org"),
        migrations.RunSQL(ANY, "DROP FUNCTION anomalies_note_change()"),
        migrations.RunSQL(UPDATED, "DROP FUNCTION anomalies_note_update()"),
        migrations.RunSQL(RENAMED, "DROP FUNCTION anomalies_note_rename()"),
        migrations.RunSQL(RENAME, "DROP TRIGGER note_rename ON metrics_metric"),
        *(
            migrations.RunSQL(made, f"DROP TRIGGER note_{event} ON {table}")
            for table in TABLES
            for event, made in triggers(table)
        ),
    ]
