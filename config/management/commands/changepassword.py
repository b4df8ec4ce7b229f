from django.contrib.auth.management.commands import changepassword

from config.database.owner import OwnerCommand


class Command(OwnerCommand, changepassword.Command):
    """Django's, as the owner of the tables: it looks at people of every org."""
