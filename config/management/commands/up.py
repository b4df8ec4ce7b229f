from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.product import NotPreparedError, PortTakenError, prepare, run
from config.running import AlreadyRunningError


class Command(BaseCommand):
    help = "Runs the product: web, workers, scheduler and the private servers, until Ctrl-C."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own declaration

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--prepare", action="store_true", help="first migrate, collect static files and make the demo (PLUMBLINE_DEMO)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run(before=prepare if options["prepare"] else None)
        except AlreadyRunningError as error:
            raise CommandError(f"Plumbline is already running in this home (process {error}). `make stop` stops it.") from error
        except (PortTakenError, NotPreparedError) as error:
            raise CommandError(str(error)) from error
