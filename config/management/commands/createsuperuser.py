from django.contrib.auth.management.commands import createsuperuser

from config.database.owner import OwnerCommand


class Command(OwnerCommand, createsuperuser.Command):
    """Django's, as the owner of the tables: it looks at people of every org."""
