from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built beside the writes of a long feed cannot be part of a transaction.
    atomic = False

    dependencies = [("orgs", "0006_settings")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddConstraint(
                    model_name="event",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("external_id", ""), _negated=True), fields=("org", "external_id"), name="one_event_per_external_id"
                    ),
                )
            ],
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one_event_per_external_id"
                    " ON orgs_event (org_id, external_id) WHERE NOT external_id = ''",
                    "DROP INDEX CONCURRENTLY IF EXISTS one_event_per_external_id",
                )
            ],
        )
    ]
