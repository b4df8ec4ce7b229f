from django.core.management.commands import loaddata

from config.database.owner import OwnerCommand


class Command(OwnerCommand, loaddata.Command):
    """Django's, as the owner of the tables."""
