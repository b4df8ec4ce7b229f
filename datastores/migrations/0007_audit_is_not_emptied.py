"""The audit log is emptied with all orgs, as `flush` does it, and never alone."""

from django.db import migrations

KEEP = """
CREATE FUNCTION datastores_keep_whole_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM orgs_org) THEN
        RAISE EXCEPTION 'The audit log is never altered or deleted.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER datastores_auditentry_not_emptied AFTER TRUNCATE ON datastores_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION datastores_keep_whole_audit();
"""
UNDO = "DROP TRIGGER datastores_auditentry_not_emptied ON datastores_auditentry; DROP FUNCTION datastores_keep_whole_audit();"


class Migration(migrations.Migration):
    dependencies = [("datastores", "0006_closing")]
    operations = [migrations.RunSQL(KEEP, UNDO)]
