"""Tags and assignees of anomalies get the org of their anomaly."""

from django.db import migrations

BATCH = 20_000
FILL = """
UPDATE {table} AS through SET org_id = anomaly.org_id FROM anomalies_anomaly AS anomaly
WHERE anomaly.id = through.anomaly_id AND through.id IN (SELECT id FROM {table} WHERE org_id IS NULL ORDER BY id LIMIT {batch})
"""


def fill(apps, schema_editor):
    """In batches, each its own transaction: no row is locked for long."""
    with schema_editor.connection.cursor() as cursor:
        for table in ("anomalies_anomaly_global_tags", "anomalies_anomaly_assignees"):
            changed = 1
            while changed:
                cursor.execute(FILL.format(table=table, batch=BATCH))
                changed = cursor.rowcount


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("anomalies", "0007_triage")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
