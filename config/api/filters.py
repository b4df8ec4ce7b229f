"""Filters and sorts of lists. What the list does not know is refused: a mistyped filter must not show everything."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, Model, OrderBy, QuerySet
from django.http import QueryDict
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from config.api.fields import parse_moment
from orgs.errors import FieldError, Invalid

if TYPE_CHECKING:
    from rest_framework.views import APIView

PAGING: Final = frozenset({"page", "size"})
SORT: Final = "sort_"
MAX_NUMBER: Final = 10**18 - 1


class CommaList(forms.Widget):
    """`a=1&a=2` and `a=1,2` alike."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        texts = data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])
        return [part.strip() for text in texts for part in text.split(",") if part.strip()]


class ListField(forms.Field):
    """Several values, each cleaned by `item`; the first that does not do is named in the error."""

    widget = CommaList

    def __init__(self, *, item: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.item = item

    def clean(self, value: Any) -> list[Any]:
        return [self.item(text) for text in value or []]


class ListFilter(django_filters.Filter):
    """Any of the given values."""

    field_class = ListField

    def __init__(self, field_name: str | None = None, *, item: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(field_name=field_name, lookup_expr="in", item=item, **kwargs)


@dataclass(frozen=True)
class OneOf:
    """A cleaner that takes only these words."""

    allowed: tuple[str, ...]

    def __call__(self, text: str) -> str:
        if text not in self.allowed:
            raise ValidationError(f"{text!r} is none of {', '.join(self.allowed)}.", code="invalid_choice")
        return text


def one_of(values: Iterable[str]) -> OneOf:
    return OneOf(tuple(str(value) for value in values))


class WordField(forms.Field):
    """One value, cleaned by `item`."""

    def __init__(self, *, item: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.item = item

    def clean(self, value: Any) -> Any:
        return None if value in (None, "") else self.item(value)


class WordFilter(django_filters.Filter):
    """The one value that is given."""

    field_class = WordField


def whole_number(text: str) -> int:
    """A cleaner for ids."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NUMBER))):
        raise ValidationError(f"{text!r} is no id.", code="invalid_number")
    return int(text)


def words(text: str) -> str:
    """A cleaner for names."""
    if "\0" in text:
        raise ValidationError("No NUL characters.", code="null_characters_not_allowed")
    return text


def read_flag(params: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """A query parameter that is `true` or `false`. Raises Invalid for any other value."""
    said = params.get(name, "true" if default else "false")
    if said not in ("true", "false"):
        raise Invalid("A query parameter cannot be read.", errors=[FieldError(("query", name), "invalid_choice", "Say true or false.")])
    return bool(said == "true")


class MomentFormField(forms.Field):
    def clean(self, value: Any) -> datetime | None:
        if value in (None, ""):
            return None
        try:
            return parse_moment(value)
        except ValueError as exc:
            raise ValidationError(str(exc), code="invalid_time") from exc


class MomentFilter(django_filters.Filter):
    """A moment in ISO 8601 with its offset."""

    field_class = MomentFormField


class BoolFormField(forms.Field):
    def clean(self, value: Any) -> bool | None:
        if value in (None, ""):
            return None
        if value not in ("true", "false"):
            raise ValidationError("Say true or false.", code="invalid_choice")
        return bool(value == "true")


class TrueFalseFilter(django_filters.Filter):
    """`true` or `false`, nothing else."""

    field_class = BoolFormField


class StrictFilterSet(django_filters.FilterSet):
    """One per list. `sorts` maps the name after `sort_` to a column; `order` is the default, ends with the key and breaks every tie."""

    base_filters: ClassVar[Mapping[str, Any]]
    sorts: ClassVar[Mapping[str, str]] = {}
    order: ClassVar[tuple[str, ...]] = ("-pk",)

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        # Only what is asked for: copying and cleaning twenty filters that nobody named costs more than the query.
        asked = {name: filter_ for name, filter_ in type(self).base_filters.items() if name in (data or ())}
        self.base_filters = asked  # type: ignore[misc]  # the library copies them from here
        super().__init__(data, *args, **kwargs)


class StrictFilterBackend(BaseFilterBackend):
    """Applies the view's `filterset_class`. Raises Invalid for an unknown name, an unknown sort and every value that does not do."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: "APIView") -> QuerySet[Any]:
        filterset_class = getattr(view, "filterset_class", None)
        if filterset_class is None:
            refuse_unknown(request, PAGING)
            refuse_repeated(request)
            return queryset
        refuse_unknown(request, known_names(filterset_class))
        filterset = filterset_class(request.query_params, queryset=queryset, request=request)
        repeated = repeated_in(request.query_params, several=several_names(filterset_class))
        if errors := [*repeated, *form_errors(filterset.form), *_sort_errors(request, filterset_class)]:
            raise Invalid("The list cannot be filtered like this.", errors=errors)
        return sorted_by(filterset.qs, filterset_class, request.query_params)

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        filterset_class = getattr(view, "filterset_class", None)
        return [] if filterset_class is None else [*_filter_parameters(filterset_class), *_sort_parameters(filterset_class)]


def known_names(filterset_class: type[StrictFilterSet]) -> frozenset[str]:
    return PAGING | frozenset(filterset_class.base_filters) | frozenset(SORT + name for name in filterset_class.sorts)


def several_names(filterset_class: type[StrictFilterSet]) -> frozenset[str]:
    """The filters that take several values."""
    return frozenset(name for name, filter_ in filterset_class.base_filters.items() if isinstance(filter_, ListFilter))


def repeated_in(params: QueryDict, *, several: Collection[str] = ()) -> list[FieldError]:
    """The parameters that say one thing and then another, but for those that may: no value is dropped in silence."""
    twice = [name for name, values in params.lists() if len(set(values)) > 1 and name not in several]
    return [FieldError(("query", name), "repeated", f"`{name}` takes one value.") for name in twice]


def refuse_repeated(request: Request, *, several: Collection[str] = ()) -> None:
    """Raises Invalid naming every query parameter that has more values than it takes."""
    if errors := repeated_in(request.query_params, several=several):
        raise Invalid("A query parameter stands there twice.", errors=errors)


def refuse_unknown(request: Request, known: Iterable[str]) -> None:
    """Raises Invalid naming every query parameter that is not `known`."""
    known = frozenset(known)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        msg = f"There is no such parameter here. Known are: {', '.join(sorted(known)) or 'none'}."
        raise Invalid("A query parameter is unknown.", errors=[FieldError(("query", name), "unknown_parameter", msg) for name in unknown])


def form_errors(form: forms.Form) -> list[FieldError]:
    return [
        FieldError(("query", name), error.code or "invalid", str(error.message % (error.params or {}) if error.params else error.message))
        for name, errors in form.errors.as_data().items()
        for error in errors
    ]


def _sort_errors(request: Request, filterset_class: type[StrictFilterSet]) -> list[FieldError]:
    wrong = [name for name in filterset_class.sorts if request.query_params.get(SORT + name, "asc") not in ("asc", "desc")]
    return [FieldError(("query", SORT + name), "invalid_choice", "Say asc or desc.") for name in wrong]


def _asked_sorts(filterset_class: type[StrictFilterSet], params: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """The columns to sort by and whether down, in the order of the sort parameters in the URL."""
    return [
        (filterset_class.sorts[name[len(SORT) :]], params[name] == "desc")
        for name in params
        if name[len(SORT) :] in filterset_class.sorts and name.startswith(SORT)
    ]


def sorted_by(queryset: QuerySet[Model], filterset_class: type[StrictFilterSet], params: Mapping[str, Any]) -> QuerySet[Model]:
    """In the order of the sort parameters in the URL, then in the default order, so that equal rows keep their places."""
    asked = _asked_sorts(filterset_class, params)
    if not asked:
        return queryset.order_by(*filterset_class.order)
    columns = [_ordering(queryset, column, down=down) for column, down in asked]
    used = {column for column, _ in asked}
    return queryset.order_by(*columns, *(column for column in filterset_class.order if column.lstrip("-") not in used))


def _ordering(queryset: QuerySet[Model], column: str, *, down: bool) -> OrderBy:
    """Nulls last, and no word of them where there are none: an index that does not know the word would not be used."""
    if column == "pk":
        # Not as the index of all orgs' ids has it: the planner would walk through everybody's rows in search of some of ours.
        return (F("pk") + 0).desc() if down else (F("pk") + 0).asc()
    field = next((field for field in queryset.model._meta.concrete_fields if column in (field.name, field.attname)), None)
    last = None if field is not None and not field.null else True
    return F(column).desc(nulls_last=last) if down else F(column).asc(nulls_last=last)


def _filter_parameters(filterset_class: type[StrictFilterSet]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "description": str(filter_.extra.get("help_text", "")), **_shape(filter_)}
        for name, filter_ in filterset_class.base_filters.items()
    ]


def _shape(filter_: django_filters.Filter) -> dict[str, Any]:
    if isinstance(filter_, ListFilter):
        return {"schema": {"type": "array", "items": _item_schema(filter_.extra["item"])}, "explode": True, "style": "form"}
    if isinstance(filter_, WordFilter):
        return {"schema": _item_schema(filter_.extra["item"])}
    if isinstance(filter_, MomentFilter):
        return {"schema": {"type": "string", "format": "date-time"}}
    if isinstance(filter_, TrueFalseFilter):
        return {"schema": {"type": "boolean"}}
    if isinstance(filter_, django_filters.NumberFilter):
        return {"schema": {"type": "number"}}
    return {"schema": {"type": "string"}}


def _item_schema(item: Callable[[str], Any]) -> dict[str, Any]:
    """What a cleaner takes, for the document."""
    if isinstance(item, OneOf):
        return {"type": "string", "enum": list(item.allowed)}
    return {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER} if item is whole_number else {"type": "string"}


def _sort_parameters(filterset_class: type[StrictFilterSet]) -> list[dict[str, Any]]:
    direction = {"type": "string", "enum": ["asc", "desc"]}
    return [
        {"name": SORT + name, "in": "query", "required": False, "description": f"Sort by {name}.", "schema": direction}
        for name in filterset_class.sorts
    ]
