from django.core.management.commands import dbshell

from config.database.owner import OwnerCommand


class Command(OwnerCommand, dbshell.Command):
    """Django's, as the owner of the tables."""
