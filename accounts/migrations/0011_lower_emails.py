from django.db import migrations


class Migration(migrations.Migration):
    """People log in by an address in small letters: who was typed with capitals could not."""

    dependencies = [
        ('accounts', '0010_inbox_columns'),
    ]

    operations = [
        # No two can become one: `one_user_per_email` is of the small letters.
        migrations.RunSQL(
            'UPDATE accounts_user SET email = lower(email) WHERE email <> lower(email)',
            migrations.RunSQL.noop,
        ),
    ]
