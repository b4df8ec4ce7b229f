from django.core.management.commands import flush

from config.database.owner import OwnerCommand


class Command(OwnerCommand, flush.Command):
    """Django's, as the owner of the tables."""
