"""Duplicates whose original was deleted for good are duplicates of nothing, as the history of each says."""

from django.db import migrations

BATCH = 5_000
PART = """
WITH parted AS (
    SELECT duplicate.id, duplicate.org_id, duplicate.duplicate_of_id AS original
      FROM anomalies_anomaly duplicate JOIN anomalies_anomaly original ON original.id = duplicate.duplicate_of_id
     WHERE original.deleted IS NOT NULL AND duplicate.deleted IS NULL
     ORDER BY duplicate.id LIMIT {batch} FOR NO KEY UPDATE OF duplicate
), unlinked AS (
    UPDATE anomalies_anomaly anomaly SET duplicate_of_id = NULL FROM parted WHERE anomaly.id = parted.id
), call AS (SELECT nextval('anomalies_transaction_id') AS number)
INSERT INTO anomalies_change (org_id, anomaly_id, transaction_id, actor, timestamp, changeset)
SELECT parted.org_id, parted.id, call.number, 'upgrade', now(),
       jsonb_build_object('duplicate_of', jsonb_build_array(jsonb_build_object('id', parted.original), NULL))
  FROM parted, call
"""


def part(apps, schema_editor):
    """In batches, each its own transaction: no row is locked for long. Undoing the migration leaves them so: nothing can lead to what is gone."""
    with schema_editor.connection.cursor() as cursor:
        changed = 1
        while changed:
            cursor.execute(PART.format(batch=BATCH))
            changed = cursor.rowcount


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("anomalies", "0020_renames")]
    operations = [migrations.RunPython(part, migrations.RunPython.noop)]
