"""Lists are read from indexes that hold all they filter and sort by; a search has an index of trigrams, and may use it."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently, TrigramExtension
from django.db import migrations, models
from django.db.models.deletion import CASCADE

LISTED = (
    "status", "datastore", "type", "container", "metric", "snoozed_at", "score", "anomalous_records_count", "source_enriched", "kind",
    "direction", "started_at", "is_backfilled",
)
OPEN = models.Q(deleted=None, status__in=("Active", "Acknowledged"))

SEARCHED = "(upper(message) || chr(31) || id::text)"
SEARCH_INDEX = f"CREATE INDEX CONCURRENTLY anomaly_search ON anomalies_anomaly USING gin ({SEARCHED} gin_trgm_ops)"

# Under a policy, an index serves only operators that are known to tell nothing of the rows that they reject, and LIKE is not. So the search
# runs with the owner's rights, and sees to it itself that nobody searches in another org than the one that the transaction is for. The
# statement is planned anew for each pattern: a rare one goes by trigrams, of a frequent one a few are soonest found in the rows themselves.
FUNCTION = f"""
DO $outer$ BEGIN EXECUTE format($inner$
CREATE FUNCTION anomalies_found(org bigint, pattern text, most integer) RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = %I, pg_temp AS $body$
DECLARE here bigint := nullif(current_setting('plumbline.org', true), '')::bigint;
BEGIN
    IF here = org OR here IS NULL AND session_user = current_user THEN
        RETURN QUERY EXECUTE format(
            'SELECT id FROM anomalies_anomaly WHERE org_id = %%s AND {SEARCHED} LIKE upper(%%L) LIMIT %%s', org, pattern, most);
    END IF;
END $body$
$inner$, current_schema()); END $outer$
"""

# Whoever has a tag has its org: without this the planner takes the two for unrelated, and expects a fiftieth of the rows.
RELATED = {
    "anomaly_tag_org": "org_id, tag_id FROM anomalies_anomaly_global_tags",
    "anomaly_assignee_org": "org_id, user_id FROM anomalies_anomaly_assignees",
    "anomaly_check_org": "org_id, quality_check_id FROM anomalies_failedcheck",
    "anomaly_places": "org_id, datastore_id, container_id, metric_id FROM anomalies_anomaly",
}


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("anomalies", "0015_flows")]

    operations = [
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(
                fields=["org", "-created", "-weight", "-id"], include=LISTED, condition=OPEN, name="anomaly_list_open"
            ),
        ),
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(
                fields=["org", "-weight", "-created", "-id"], include=LISTED, condition=OPEN, name="anomaly_list_heaviest"
            ),
        ),
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(
                fields=["org", "-created", "-weight", "-id"], include=(*LISTED, "deleted"), name="anomaly_list_all"
            ),
        ),
        RemoveIndexConcurrently(model_name="anomaly", name="anomaly_inbox"),
        RemoveIndexConcurrently(model_name="anomaly", name="anomaly_open"),
        RemoveIndexConcurrently(model_name="anomaly", name="anomaly_all"),
        migrations.AlterField(
            model_name="anomaly",
            name="org",
            field=models.ForeignKey(db_index=False, on_delete=CASCADE, related_name="+", to="orgs.org"),
        ),
        # A row of a datastore is looked for among those of its org; one that is deleted takes a while.
        migrations.AlterField(
            model_name="anomaly",
            name="datastore",
            field=models.ForeignKey(db_index=False, on_delete=CASCADE, related_name="anomalies", to="datastores.datastore"),
        ),
        TrigramExtension(),
        migrations.RunSQL(SEARCH_INDEX, "DROP INDEX CONCURRENTLY anomaly_search"),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION anomalies_found(bigint, text, integer)"),
        *(
            migrations.RunSQL(f"CREATE STATISTICS {name} (dependencies) ON {columns}", f"DROP STATISTICS {name}")
            for name, columns in RELATED.items()
        ),
    ]
