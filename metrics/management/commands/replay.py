"""`manage.py replay`: the production detector over a file."""

import csv
import dataclasses
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from metrics import replay
from metrics.detection import engine


class Command(BaseCommand):
    """Reads, replays, prints one JSON line per alert."""

    help = "Runs the production detector over a CSV file with the columns timestamp and value; prints one JSON line per alert."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", type=Path, help="timestamps: YYYY-MM-DD HH:MM:SS (UTC), ISO 8601 or unix seconds; an empty value is a gap"
        )
        parser.add_argument(
            "--sensitivity", choices=list(engine.THRESHOLDS), default="normal", help="how surprising a point must be (default: normal)"
        )
        parser.add_argument("--scores", type=Path, metavar="OUT.csv", help="also write forecast, band, score and alerts of every point")

    def handle(self, *args: object, **options: Any) -> None:
        if options["scores"] and _is_same(options["scores"], options["file"]):
            raise CommandError(f"--scores {options['scores']} is the file that is read: it would be lost. Name another one.")
        try:
            with options["file"].open(newline="", encoding="utf-8") as file:
                series = replay.read(file)
        except replay.BadFile as error:
            raise CommandError(f"{options['file']}, {error}") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{options['file']} is not a text file in UTF-8.") from error
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        if not engine.is_compiled():
            self.stderr.write("compiling the detector once, half a minute or so; the next start finds it compiled")
        found = replay.replay(series, sensitivity=options["sensitivity"])
        if options["scores"]:
            self.write_scores(found, options["scores"])
        self.tell(replay.alerts(found))

    def tell(self, alerts: Iterable[replay.Alert]) -> None:
        """A line each, for as long as somebody reads them: `| head` is no fault."""
        try:
            for alert in alerts:
                self.stdout.write(json.dumps(dataclasses.asdict(alert)))
            self.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails again as it ends

    def write_scores(self, found: replay.Replay, path: Path) -> None:
        try:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(replay.COLUMNS)
                writer.writerows(replay.table(found))
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error


def _is_same(one: Path, other: Path) -> bool:
    """Whether both are one file, under whatever names."""
    return one.exists() and other.exists() and one.samefile(other)
