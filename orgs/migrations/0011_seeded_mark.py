from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orgs", "0010_origins_index")]

    operations = [
        migrations.AddField(
            model_name="org",
            name="is_seeded",
            field=models.BooleanField(default=False, editable=False, help_text="Made by the demo, which may make it anew."),
        ),
    ]
