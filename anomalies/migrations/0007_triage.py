"""Triage: sleep, duplicates, tombstones, scans, the fields and checks that failed; tags and assignees know their org."""

from django.conf import settings
from django.db import migrations, models
from django.db.models.deletion import CASCADE, SET_NULL

# Both tables were made by Django for a many-to-many field. They stay, get names of ours, and lose the index that the unique one repeats.
ADOPT = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype = 'u' AND conname <> '{unique}'
    LOOP
        EXECUTE format('ALTER TABLE {table} RENAME CONSTRAINT %I TO {unique}', found.conname);
    END LOOP;
    FOR found IN
        SELECT indexname FROM pg_indexes WHERE tablename = '{table}' AND indexdef LIKE '%(anomaly_id)'
    LOOP
        EXECUTE format('DROP INDEX %I', found.indexname);
    END LOOP;
END $$;
ALTER TABLE {table} ADD COLUMN org_id bigint NULL REFERENCES orgs_org (id) DEFERRABLE INITIALLY DEFERRED;
"""
RELEASE = """
ALTER TABLE {table} DROP COLUMN org_id;
CREATE INDEX {table}_anomaly_id_back ON {table} (anomaly_id);
"""


def adopted(table, unique):
    return migrations.RunSQL(ADOPT.format(table=table, unique=unique), RELEASE.format(table=table))


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0006_comments"),
        ("orgs", "0004_session_api"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='anomaly',
            name='container_scan_id',
            field=models.BigIntegerField(blank=True, help_text='The scan of a container that found it.', null=True),
        ),
        migrations.AddField(
            model_name='anomaly',
            name='deleted_by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='anomaly',
            name='duplicate_of',
            field=models.ForeignKey(blank=True, db_index=False, help_text='The anomaly that this one, archived as Duplicate, is another record of.', null=True, on_delete=SET_NULL, related_name='duplicates', to='anomalies.anomaly'),
        ),
        migrations.AddField(
            model_name='anomaly',
            name='snooze_back_in_band',
            field=models.BooleanField(db_default=False, default=False, help_text='Sleeps until the value is back where it was expected.'),
        ),
        migrations.AddField(
            model_name='anomaly',
            name='snooze_count',
            field=models.PositiveIntegerField(blank=True, help_text='Sleeps for so many more occurrences of the same problem.', null=True),
        ),
        migrations.AddField(
            model_name='anomaly',
            name='snooze_until',
            field=models.DateTimeField(blank=True, help_text='Sleeps up to this moment.', null=True),
        ),
        migrations.AddField(
            model_name='anomaly',
            name='snooze_weight',
            field=models.IntegerField(blank=True, help_text='Sleeps until it weighs more than this.', null=True),
        ),
        migrations.AddField(
            model_name='anomaly',
            name='snoozed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='anomaly',
            name='snoozed_by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='failedcheck',
            name='quality_check_id',
            field=models.BigIntegerField(blank=True, help_text='The check; null for one that nobody keeps any more.', null=True),
        ),
        migrations.AlterField(
            model_name='anomaly',
            name='partition_scan_id',
            field=models.BigIntegerField(blank=True, help_text='The part of that scan, of one partition, that found it.', null=True),
        ),
        migrations.CreateModel(
            name="FailedField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=500)),
                ("anomaly", models.ForeignKey(on_delete=CASCADE, related_name="failed_fields", to="anomalies.anomaly")),
                ("failed_check", models.ForeignKey(on_delete=CASCADE, related_name="fields", to="anomalies.failedcheck")),
                ("org", models.ForeignKey(db_index=False, on_delete=CASCADE, related_name="+", to="orgs.org")),
            ],
            options={
                "ordering": ("pk",),
                "indexes": [models.Index(fields=["org", "name", "anomaly"], name="anomaly_of_field")],
                "constraints": [models.UniqueConstraint(fields=("failed_check", "name"), name="field_once_in_a_failed_check")],
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                adopted("anomalies_anomaly_global_tags", "tagged_once"),
                adopted("anomalies_anomaly_assignees", "assigned_once"),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="AnomalyTag",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("anomaly", models.ForeignKey(db_index=False, on_delete=CASCADE, related_name="+", to="anomalies.anomaly")),
                        ("org", models.ForeignKey(db_index=False, null=True, on_delete=CASCADE, related_name="+", to="orgs.org")),
                        ("tag", models.ForeignKey(on_delete=CASCADE, related_name="+", to="anomalies.tag")),
                    ],
                    options={"db_table": "anomalies_anomaly_global_tags"},
                ),
                migrations.AddConstraint(
                    model_name="anomalytag",
                    constraint=models.UniqueConstraint(fields=("anomaly", "tag"), name="tagged_once"),
                ),
                migrations.CreateModel(
                    name="AnomalyAssignee",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("anomaly", models.ForeignKey(db_index=False, on_delete=CASCADE, related_name="+", to="anomalies.anomaly")),
                        ("org", models.ForeignKey(db_index=False, null=True, on_delete=CASCADE, related_name="+", to="orgs.org")),
                        ("user", models.ForeignKey(on_delete=CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
                    ],
                    options={"db_table": "anomalies_anomaly_assignees"},
                ),
                migrations.AddConstraint(
                    model_name="anomalyassignee",
                    constraint=models.UniqueConstraint(fields=("anomaly", "user"), name="assigned_once"),
                ),
                migrations.AlterField(
                    model_name='anomaly',
                    name='assignees',
                    field=models.ManyToManyField(blank=True, related_name='assigned_anomalies', through='anomalies.AnomalyAssignee', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AlterField(
                    model_name='anomaly',
                    name='global_tags',
                    field=models.ManyToManyField(blank=True, related_name='anomalies', through='anomalies.AnomalyTag', to='anomalies.tag'),
                ),
            ],
        ),
    ]
