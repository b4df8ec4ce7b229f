"""Conditions of large lists, written so that the database reads the list in the order of an index and stops early."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, BooleanField, F, Func, Model, Q, Value
from django.db.models.lookups import In

# A row that is named by its id is read from the table, which costs what twenty rows of a list's index cost.
FEW: Final = 2000

T = TypeVar("T")


def once(request: Any, key: Hashable, ask: Callable[[], T]) -> T:
    """What `ask` says, which is asked once in a request: facets apply the same filter in seven sets."""
    kept: dict[Hashable, T] = vars(request).setdefault("anomaly_conditions", {})
    if key not in kept:
        kept[key] = ask()
    return kept[key]


class LookedUp(Func):
    """A condition that the database tests row by row, where it would otherwise join first and sort afterwards."""

    template = "(%(expressions)s) = true"
    output_field = BooleanField()


class AnyOf(Func):
    """Whether a column is among an array."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def among(ids: Sequence[int], column: str = "pk") -> AnyOf:
    """The condition that the row, or what it points to, is one of these. As one array: Django would look at each number by itself."""
    return AnyOf(F(column), Value(list(ids), output_field=ArrayField(BigIntegerField())))


def hanging(model: type[Model], org_id: int, **wanted: Any) -> Q:
    """The condition that a row of `model`, which points to the anomaly by `anomaly`, is as `wanted`. One query, at once.

    A few anomalies are named one by one. Of many a table is made, in which each row of the list is looked up while it is read in order.
    """
    rows = model._default_manager.filter(org=org_id, **wanted).order_by().values("anomaly")
    ids = list(rows.values_list("anomaly", flat=True)[: FEW + 1])
    return Q(among(ids)) if len(ids) <= FEW else Q(LookedUp(In(F("pk"), rows)))
