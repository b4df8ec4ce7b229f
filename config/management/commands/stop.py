from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.embedded import stop_servers
from config.running import stop_runner


class Command(BaseCommand):
    help = "Stops what `up` runs in this home, from anywhere, and the private servers."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own declaration

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ran = stop_runner(settings.PLUMBLINE_HOME)
        except TimeoutError as error:
            raise CommandError(f"Plumbline was asked to stop, but {error}.") from error
        stop_servers(settings.PLUMBLINE_HOME)
        self.stdout.write("Plumbline has stopped." if ran else "Plumbline was not running.")
