"""`manage.py reshard`: to be run after DETECT_SHARDS was changed, before the workers start."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from anomalies.services.resharding import WorkersRunning, reshard


class Command(BaseCommand):
    help = "Spreads the detector's states over DETECT_SHARDS shards. Does nothing when they are already."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--shards", type=int, default=settings.DETECT_SHARDS, help="Instead of DETECT_SHARDS.")

    def handle(self, *args: Any, shards: int, **options: Any) -> None:
        if not 1 <= shards <= 256:
            raise CommandError("There are 1 to 256 shards.")
        try:
            done = reshard(shards=shards, now=datetime.now(UTC))
        except WorkersRunning as problem:
            raise CommandError(str(problem)) from problem
        if done.before == done.after:
            self.stdout.write(f"The states are spread over {done.after} shards already.")
        else:
            self.stdout.write(f"Moved {done.series} series from {done.before} to {done.after} shards.")
