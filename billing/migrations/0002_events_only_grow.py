"""What Stripe told us can only grow: the database refuses to alter or delete it, whoever asks."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION billing_keep_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A payment event is never altered or deleted.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER billing_stripeevent_append_only BEFORE UPDATE OR DELETE ON billing_stripeevent
    FOR EACH ROW EXECUTE FUNCTION billing_keep_events();
"""
UNDO = "DROP TRIGGER billing_stripeevent_append_only ON billing_stripeevent; DROP FUNCTION billing_keep_events();"


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunSQL(APPEND_ONLY, UNDO)]
