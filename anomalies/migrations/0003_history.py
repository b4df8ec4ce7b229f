"""The history can only grow, and an anomaly knows its episode and how its weight came about."""

import django.db.models.deletion
from django.db import migrations, models

# An anomaly's history goes with it when the whole org or series is erased, and never otherwise. The database does that, so that the
# trigger can tell the two apart: by then the anomaly is gone.
CASCADE = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'anomalies_change'::regclass AND contype = 'f' AND confrelid = 'anomalies_anomaly'::regclass
    LOOP
        EXECUTE format('ALTER TABLE anomalies_change DROP CONSTRAINT %I', found.conname);
    END LOOP;
END $$;
ALTER TABLE anomalies_change ADD CONSTRAINT change_goes_with_its_anomaly
    FOREIGN KEY (anomaly_id) REFERENCES anomalies_anomaly (id) {action} DEFERRABLE INITIALLY DEFERRED;
"""

APPEND_ONLY = """
CREATE FUNCTION anomalies_keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM anomalies_anomaly WHERE id = OLD.anomaly_id) THEN
            RETURN OLD;
        END IF;
    -- A person who is erased leaves what they did, without their name.
    ELSIF NEW.user_id IS NULL AND (NEW.id, NEW.org_id, NEW.anomaly_id, NEW.transaction_id, NEW.actor, NEW.timestamp, NEW.changeset)
        = (OLD.id, OLD.org_id, OLD.anomaly_id, OLD.transaction_id, OLD.actor, OLD.timestamp, OLD.changeset) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The history of an anomaly is never altered or deleted.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER anomalies_change_append_only BEFORE UPDATE OR DELETE ON anomalies_change
    FOR EACH ROW EXECUTE FUNCTION anomalies_keep_history();
"""
UNDO_APPEND_ONLY = "DROP TRIGGER anomalies_change_append_only ON anomalies_change; DROP FUNCTION anomalies_keep_history();"
UNDO_CASCADE = "ALTER TABLE anomalies_change DROP CONSTRAINT change_goes_with_its_anomaly;" + CASCADE.format(action="")


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0002_initial"), ("metrics", "0003_detection")]

    operations = [
        migrations.AddField(
            model_name="anomaly",
            name="episode_at",
            field=models.DateTimeField(
                blank=True, help_text="When the detector's episode began; a sequel starts later.", null=True
            ),
        ),
        migrations.AddField(
            model_name="anomaly",
            name="weight_breakdown",
            field=models.JSONField(blank=True, default=dict, help_text="The parts that add up to the weight."),
        ),
        migrations.AlterField(
            model_name="change",
            name="anomaly",
            field=models.ForeignKey(on_delete=django.db.models.deletion.DO_NOTHING, related_name="changes", to="anomalies.anomaly"),
        ),
        migrations.AlterField(
            model_name="change",
            name="org",
            field=models.ForeignKey(on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="orgs.org"),
        ),
        migrations.RunSQL(CASCADE.format(action="ON DELETE CASCADE"), UNDO_CASCADE),
        migrations.RunSQL(APPEND_ONLY, UNDO_APPEND_ONLY),
        migrations.RunSQL("CREATE SEQUENCE anomalies_transaction_id;", "DROP SEQUENCE anomalies_transaction_id;"),
    ]
