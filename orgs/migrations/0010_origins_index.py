from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orgs", "0009_closing")]

    operations = [
        AddIndexConcurrently(
            model_name="org",
            index=models.Index(fields=["id"], condition=models.Q(("origins__len__gt", 0)), name="org_with_origins"),
        ),
    ]
