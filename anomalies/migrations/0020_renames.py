"""What is counted around a list is kept with the names of datastores, tables and people: a new name makes it counted anew."""

from django.db import migrations

# As that of series: detection, scans and log-ins write these rows all the time, but no names.
RENAME = """
CREATE TRIGGER note_rename AFTER UPDATE OF name ON {table}
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name AND NEW.org_id IS NOT NULL) EXECUTE FUNCTION anomalies_note_rename()
"""
TABLES = ("datastores_datastore", "datastores_container", "accounts_user")


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0019_failed_check_description"),
        ("datastores", "0006_closing"),
        ("accounts", "0012_email_is_lower"),
    ]

    operations = [migrations.RunSQL(RENAME.format(table=table), f"DROP TRIGGER note_rename ON {table}") for table in TABLES]
