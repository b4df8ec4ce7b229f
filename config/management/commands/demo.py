from typing import Any

from django.core.management.base import BaseCommand

from config.demo.seed import demo_file, seed


class Command(BaseCommand):
    help = "Makes the demo: two orgs with people, keys and tokens. Harmless to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        made = seed()
        self.stdout.write(f"The demo {'was made' if made else 'is there'}; logins and tokens are in {demo_file()}")
