import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo.feed import feeds, run
from config.demo.seed import demo_file


class Command(BaseCommand):
    help = "Feeds the demo: its history through the import, then live points, with a planted fault from time to time."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own declaration

    def handle(self, *args: Any, **options: Any) -> None:
        path = demo_file()
        if not path.is_file():
            raise CommandError(f"{path} is not there: run `manage.py demo` first.")
        host = f"[{settings.REACHED_AT}]" if ":" in settings.REACHED_AT else settings.REACHED_AT
        run(feeds(json.loads(path.read_text()), settings.PLUMBLINE_HOME, f"http://{host}:{settings.PORT}"))
