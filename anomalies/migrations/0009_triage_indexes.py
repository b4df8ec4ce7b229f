"""Indexes and rules of what 0007 brought, without locking the tables for long."""

from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models
from django.db.models.deletion import CASCADE

# A proven check lets the column be made NOT NULL without reading the table under a lock.
REQUIRE = (
    "ALTER TABLE {table} ADD CONSTRAINT {table}_has_org CHECK (org_id IS NOT NULL) NOT VALID",
    "ALTER TABLE {table} VALIDATE CONSTRAINT {table}_has_org",
    "ALTER TABLE {table} ALTER COLUMN org_id SET NOT NULL",
    "ALTER TABLE {table} DROP CONSTRAINT {table}_has_org",
)


def required(table, model):
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                [statement.format(table=table) for statement in REQUIRE], f"ALTER TABLE {table} ALTER COLUMN org_id DROP NOT NULL"
            )
        ],
        state_operations=[
            migrations.AlterField(
                model_name=model,
                name="org",
                field=models.ForeignKey(db_index=False, on_delete=CASCADE, related_name="+", to="orgs.org"),
            )
        ],
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("anomalies", "0008_through_orgs")]

    operations = [
        required("anomalies_anomaly_global_tags", "anomalytag"),
        required("anomalies_anomaly_assignees", "anomalyassignee"),
        AddConstraintNotValid(
            model_name='anomaly',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('snooze_back_in_band', False), ('snooze_count', None), ('snooze_until', None), ('snooze_weight', None), ('snoozed_at', None)), models.Q(('snoozed_at__isnull', False), models.Q(models.Q(('snooze_back_in_band', False), ('snooze_count', None), ('snooze_until__isnull', False), ('snooze_weight', None)), models.Q(('snooze_back_in_band', False), ('snooze_count__isnull', False), ('snooze_until', None), ('snooze_weight', None)), models.Q(('snooze_back_in_band', False), ('snooze_count', None), ('snooze_until', None), ('snooze_weight__isnull', False)), models.Q(('snooze_back_in_band', True), ('snooze_count', None), ('snooze_until', None), ('snooze_weight', None)), _connector='OR')), _connector='OR'), name='asleep_until_one_condition_ends'),
        ),
        ValidateConstraint('anomaly', 'asleep_until_one_condition_ends'),
        AddConstraintNotValid(
            model_name='anomaly',
            constraint=models.CheckConstraint(condition=models.Q(('duplicate_of', None), ('status', 'Duplicate'), _connector='OR'), name='only_a_duplicate_is_one_of'),
        ),
        ValidateConstraint('anomaly', 'only_a_duplicate_is_one_of'),
        AddConstraintNotValid(
            model_name='anomaly',
            constraint=models.CheckConstraint(condition=models.Q(('duplicate_of', models.F('pk')), _negated=True), name='no_duplicate_of_itself'),
        ),
        ValidateConstraint('anomaly', 'no_duplicate_of_itself'),
        AddIndexConcurrently(
            model_name='failedcheck',
            index=models.Index(fields=['org', 'rule_type', 'anomaly'], name='anomaly_of_rule'),
        ),
        AddIndexConcurrently(
            model_name='failedcheck',
            index=models.Index(condition=models.Q(('quality_check_id__isnull', False)), fields=['org', 'quality_check_id', 'anomaly'], name='anomaly_of_check'),
        ),
        AddIndexConcurrently(
            model_name='anomaly',
            index=models.Index(condition=models.Q(('duplicate_of__isnull', False)), fields=['duplicate_of'], name='anomaly_duplicates'),
        ),
        AddIndexConcurrently(
            model_name='anomaly',
            index=models.Index(condition=models.Q(('snoozed_by__isnull', False)), fields=['snoozed_by'], name='anomaly_snoozed_by'),
        ),
        AddIndexConcurrently(
            model_name='anomaly',
            index=models.Index(condition=models.Q(('deleted_by__isnull', False)), fields=['deleted_by'], name='anomaly_deleted_by'),
        ),
        AddIndexConcurrently(
            model_name='anomaly',
            index=models.Index(condition=models.Q(('snoozed_at__isnull', False)), fields=['org', 'snooze_until', 'id'], name='anomaly_asleep'),
        ),
        AddIndexConcurrently(
            model_name='anomaly',
            index=models.Index(condition=models.Q(('container_scan_id__isnull', False)), fields=['org', 'container_scan_id', 'id'], name='anomaly_of_scan'),
        ),
        AddIndexConcurrently(
            model_name='anomaly',
            index=models.Index(condition=models.Q(('partition_scan_id__isnull', False)), fields=['org', 'partition_scan_id', 'id'], name='anomaly_of_partition'),
        ),
        AddIndexConcurrently(
            model_name='anomalyassignee',
            index=models.Index(fields=['org', 'user', 'anomaly'], name='anomaly_of_assignee'),
        ),
        AddIndexConcurrently(
            model_name='anomalytag',
            index=models.Index(fields=['org', 'tag', 'anomaly'], name='anomaly_of_tag'),
        ),
    ]
