"""What detection keeps between two steps, and the triggers by which changes of a series reach its detector."""

import django.db.models.functions.datetime
from django.db import migrations, models

# The triggers see every change, whoever makes it and how: REST, the admin, a cascade, SQL by hand.
ORDERS = """
CREATE FUNCTION metrics_order_sensitivity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metrics_detectionorder (metric_id, op, argument) VALUES (NEW.id, 'sensitivity', NEW.sensitivity);
    RETURN NULL;
END $$;
CREATE FUNCTION metrics_order_drop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metrics_detectionorder (metric_id, op, argument) SELECT id, 'drop', '' FROM gone ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER metrics_metric_born_sensitive AFTER INSERT ON metrics_metric
    FOR EACH ROW WHEN (NEW.sensitivity <> 'normal') EXECUTE FUNCTION metrics_order_sensitivity();
CREATE TRIGGER metrics_metric_sensitivity AFTER UPDATE OF sensitivity ON metrics_metric
    FOR EACH ROW WHEN (NEW.sensitivity <> OLD.sensitivity) EXECUTE FUNCTION metrics_order_sensitivity();
CREATE TRIGGER metrics_metric_dropped AFTER DELETE ON metrics_metric
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION metrics_order_drop();
"""
UNDO_ORDERS = """
DROP TRIGGER metrics_metric_born_sensitive ON metrics_metric;
DROP TRIGGER metrics_metric_sensitivity ON metrics_metric;
DROP TRIGGER metrics_metric_dropped ON metrics_metric;
DROP FUNCTION metrics_order_sensitivity();
DROP FUNCTION metrics_order_drop();
"""

# Compressed already: the server stores them as they come.
PLAIN = """
ALTER TABLE metrics_detectionblock ALTER COLUMN states SET STORAGE EXTERNAL;
ALTER TABLE metrics_detectionblock ALTER COLUMN series SET STORAGE EXTERNAL;
"""


class Migration(migrations.Migration):
    dependencies = [("metrics", "0002_points")]

    operations = [
        migrations.CreateModel(
            name="DetectionOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("metric_id", models.BigIntegerField(help_text="No foreign key: the order to forget a series outlives it.")),
                (
                    "op",
                    models.CharField(
                        choices=[
                            ("sensitivity", "work with another sensitivity"),
                            ("relearn", "take the present level as normal"),
                            ("rebuild", "learn anew from the stored points"),
                            ("drop", "forget the series"),
                        ],
                        max_length=12,
                    ),
                ),
                ("argument", models.CharField(blank=True, max_length=8)),
                ("created", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"ordering": ("pk",)},
        ),
        migrations.AddField(
            model_name="detectionshard",
            name="shards",
            field=models.PositiveSmallIntegerField(default=1, help_text="How many shards there were when this one was filled."),
        ),
        migrations.AddField(
            model_name="detectionshard",
            name="seq",
            field=models.BigIntegerField(default=0, help_text="The number of its newest step."),
        ),
        migrations.AddField(
            model_name="detectionshard",
            name="clock_ms",
            field=models.BigIntegerField(default=0, help_text="The detector's clock: silence counts only while it runs."),
        ),
        migrations.AddField(
            model_name="detectionshard",
            name="checkpoint_seq",
            field=models.BigIntegerField(default=0, help_text="The oldest step from which a saved block has to be replayed."),
        ),
        migrations.AlterField(
            model_name="detectionshard",
            name="mark",
            field=models.BigIntegerField(default=0, help_text="Every logged request of a transaction below it has been consumed."),
        ),
        migrations.AlterField(
            model_name="detectionshard",
            name="checkpoint_mark",
            field=models.BigIntegerField(default=0, help_text="Logged requests below it are needed by no replay."),
        ),
        migrations.CreateModel(
            name="DetectionStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("shard", models.PositiveSmallIntegerField()),
                ("seq", models.BigIntegerField()),
                ("mark", models.BigIntegerField(help_text="The log was read up to here.")),
                ("now_ms", models.BigIntegerField(help_text="Everything received before it had been read.")),
                ("clock_ms", models.BigIntegerField(help_text="The detector's clock before the step.")),
                ("pause_ms", models.BigIntegerField(help_text="A longer hole without step and arrival is a stop of the detector.")),
                ("orders", models.JSONField(default=list)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("shard", "seq"), name="one_step_per_number")]},
        ),
        migrations.CreateModel(
            name="DetectionBlock",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("shard", models.PositiveSmallIntegerField()),
                ("block", models.PositiveIntegerField()),
                ("seq", models.BigIntegerField()),
                ("version", models.PositiveSmallIntegerField(help_text="Of the layout of a state.")),
                ("digest", models.BinaryField(max_length=16)),
                ("series", models.BinaryField(help_text="int64: the ids by place, 0 for a free one, then their orgs.")),
                ("states", models.BinaryField(help_text="The states, lz4.")),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("shard", "block"), name="one_block_per_place")]},
        ),
        migrations.RunSQL(PLAIN, migrations.RunSQL.noop),
        migrations.RunSQL(ORDERS, UNDO_ORDERS),
    ]
