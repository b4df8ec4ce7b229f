"""`manage.py detector relearn|rebuild METRIC_ID...`: orders to the detectors of single series."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from metrics.models import Metric
from metrics.shards import order_rebuild, order_relearn
from orgs.tenancy import Reason, across

ORDERS = {"relearn": order_relearn, "rebuild": order_rebuild}


class Command(BaseCommand):
    help = "Tells the detectors of series to take the present level as normal (relearn), or to learn anew from stored points (rebuild)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("order", choices=sorted(ORDERS))
        parser.add_argument("metric_ids", nargs="+", type=int, metavar="METRIC_ID")

    def handle(self, *args: Any, order: str, metric_ids: list[int], **options: Any) -> None:
        with across(Reason.DETECTION):
            found = Metric.objects.in_bulk(metric_ids)
        if missing := sorted(set(metric_ids) - set(found)):
            raise CommandError(f"There is no series with the id {', '.join(map(str, missing))}. Nothing was ordered.")
        for metric in found.values():
            ORDERS[order](metric)
        self.stdout.write(f"Ordered for {len(found)} series. Their workers obey within seconds.")
