from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class OrgsConfig(AppConfig):
    name = "orgs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The one signal of the product: whoever migrates, by whatever way, has the wall afterwards.
        post_migrate.connect(_build_wall, sender=self, dispatch_uid="orgs.wall")


def _build_wall(using: str, **_: Any) -> None:
    from orgs.wall.building import build

    build(connections[using])
