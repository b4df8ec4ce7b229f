from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.demo.seed import NotOfTheDemo, demo_file, seed


class Command(BaseCommand):
    help = "Makes the demo: two orgs with people, keys and tokens. Harmless to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = seed()
        except NotOfTheDemo as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"The demo {'was made' if made else 'is there'}; logins and tokens are in {demo_file()}")
