"""Lists of many series: by the moment they came up, and by a part of their names, which has an index of trigrams."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# The search in the list of series, and among those that count for the quota.
SEARCH_INDEX = "CREATE INDEX CONCURRENTLY metric_search ON metrics_metric USING gin (upper(name) gin_trgm_ops)"

# Under a policy, an index serves only operators that are known to tell nothing of the rows that they reject, and LIKE is not. So the search
# runs with the owner's rights, and sees to it itself that nobody searches in another org than the one that the transaction is for. The
# statement is planned anew for each pattern: a rare one goes by trigrams, of a frequent one a few are soonest found in the rows themselves.
FUNCTION = """
DO $outer$ BEGIN EXECUTE format($inner$
CREATE FUNCTION metrics_named(org bigint, pattern text, most integer) RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = %I, pg_temp AS $body$
DECLARE here bigint := nullif(current_setting('plumbline.org', true), '')::bigint;
BEGIN
    IF here = org OR here IS NULL AND session_user = current_user THEN
        RETURN QUERY EXECUTE format(
            'SELECT id FROM metrics_metric WHERE org_id = %%s AND upper(name) LIKE upper(%%L) LIMIT %%s', org, pattern, most);
    END IF;
END $body$
$inner$, current_schema()); END $outer$
"""


class Migration(migrations.Migration):
    atomic = False
    # The other makes the extension of trigrams, and takes it away again: after this.
    dependencies = [("metrics", "0004_partition_functions"), ("anomalies", "0016_list_cover")]

    operations = [
        AddIndexConcurrently(model_name="metric", index=models.Index(fields=["org", "created"], name="metric_by_age")),
        migrations.RunSQL(SEARCH_INDEX, "DROP INDEX CONCURRENTLY metric_search"),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION metrics_named(bigint, text, integer)"),
    ]
