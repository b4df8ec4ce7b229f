from django.core.management.commands import migrate

from config.database.owner import OwnerCommand


class Command(OwnerCommand, migrate.Command):
    """Django's, as the owner of the tables."""
