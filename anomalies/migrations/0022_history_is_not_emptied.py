"""The history is emptied with all anomalies, as `flush` does it, and never alone."""

from django.db import migrations

KEEP = """
CREATE FUNCTION anomalies_keep_whole_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM anomalies_anomaly) THEN
        RAISE EXCEPTION 'The history of an anomaly is never altered or deleted.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER anomalies_change_not_emptied AFTER TRUNCATE ON anomalies_change
    FOR EACH STATEMENT EXECUTE FUNCTION anomalies_keep_whole_history();
"""
UNDO = "DROP TRIGGER anomalies_change_not_emptied ON anomalies_change; DROP FUNCTION anomalies_keep_whole_history();"


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0021_parted_duplicates")]
    operations = [migrations.RunSQL(KEEP, UNDO)]
