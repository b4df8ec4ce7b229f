"""Each state is counted, and its latest anomaly found, in an index of its own."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("anomalies", "0017_list_changes")]

    operations = [
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(
                fields=["org", "status", "-id"],
                include=("datastore", "snoozed_at"),
                condition=models.Q(deleted=None),
                name="anomaly_by_state",
            ),
        ),
    ]
