from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('accounts', '0011_lower_emails'),
    ]

    operations = [
        AddConstraintNotValid(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(email=Lower('email')), name='email_is_lower'),
        ),
        ValidateConstraint('user', 'email_is_lower'),
    ]
