from django.core.management.commands import dumpdata

from config.database.owner import OwnerCommand


class Command(OwnerCommand, dumpdata.Command):
    """Django's, as the owner of the tables."""
