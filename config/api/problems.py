"""Every error of the REST API is one shape: RFC 9457 problem details, with our `errors` for what was wrong where."""

import logging
import math
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.renderers import to_json
from orgs.errors import DomainError, FieldError, Invalid, TooMany, Unavailable

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
# status: (slug, title, what a person can do). Clients branch on type and code, never on the words.
PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("malformed", "Malformed request", "The request could not be read."),
    401: ("unauthenticated", "Not authenticated", "Send a token in the Authorization header, or log in."),
    403: ("forbidden", "Not allowed", "Your role or level does not allow this."),
    404: ("not-found", "Not found", "There is nothing here, or it is not yours to see."),
    405: ("method-not-allowed", "Method not allowed", "The Allow header says what this address takes."),
    409: ("conflict", "Conflict", "The thing's state does not allow this now."),
    412: ("stale-version", "Not the newest version", "Read it again and repeat the change."),
    413: ("too-large", "Too large", "Send less in one request."),
    415: ("unsupported-media-type", "Unsupported media type", "Send application/json."),
    422: ("invalid", "Invalid values", "`errors` names what is wrong."),
    429: ("too-many-requests", "Too many requests", "Wait as long as Retry-After says."),
    500: ("internal", "Internal error", "This is our mistake. The request id in `instance` finds it in the log."),
    501: ("not-enabled", "Not enabled", "The operator of this installation has not enabled it."),
    503: ("unavailable", "Unavailable for the moment", "Try again shortly."),
}


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """The answer to an exception raised by a view. Never holds a stack trace or the text of a foreign exception."""
    request: Request = context["request"]
    error = _domain_error(exc, request)
    answer = problem(request, error.status, detail=error.detail, errors=error.errors, slug=error.slug, title=error.title)
    _add_headers(answer, exc, error)
    return answer


def _domain_error(exc: Exception, request: Request) -> DomainError:
    match exc:
        case DomainError():
            return exc
        case exceptions.ValidationError():
            return Invalid("Some values do not do; `errors` names them.", errors=tuple(flatten(exc.detail)))
        case Http404():
            return _of_status(404)
        case PermissionDenied():
            return _of_status(403)
        case RequestDataTooBig():
            return _of_status(413)
        case UnreadablePostError():
            return _of_status(400, "The body ended before it was complete.")
        case exceptions.APIException():
            return _of_status(exc.status_code, str(exc.detail))
        case DataError():
            return Invalid("A value is larger than can be stored, or of another kind than is stored there.")
        case OperationalError() | InterfaceError():
            log.warning("database unavailable", exc_info=exc)
            return Unavailable("The database does not answer at the moment. Nothing was changed; try again shortly.")
        case _:
            log.error("unhandled exception in %s %s", request.method, request.path, exc_info=exc)
            return _of_status(500)


def _of_status(status: int, detail: str = "") -> DomainError:
    error = DomainError(detail)
    slug, title, advice = PROBLEMS.get(status, PROBLEMS[400])
    error.status, error.slug, error.title = status, slug, title  # type: ignore[misc]  # an error of a foreign tree gets our names
    error.detail = detail or advice
    return error


def flatten(detail: Any, loc: tuple[str | int, ...] = ("body",)) -> Iterator[FieldError]:
    """One entry per message of a DRF ValidationError, however nested."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from flatten(inner, loc if name == "non_field_errors" else (*loc, name))
    elif isinstance(detail, list):
        for at, inner in enumerate(detail):
            yield from flatten(inner, (*loc, at) if isinstance(inner, dict) else loc)
    else:
        yield FieldError(loc, getattr(detail, "code", "invalid"), str(detail))


def _add_headers(answer: Response, exc: Exception, error: DomainError) -> None:
    if isinstance(error, Unavailable):
        answer["Retry-After"] = str(error.retry_after_s)
    wait = error.wait_s if isinstance(error, TooMany) else getattr(exc, "wait", None)
    if wait is not None:
        answer["Retry-After"] = str(max(1, math.ceil(wait)))
    if header := getattr(exc, "auth_header", None):
        answer["WWW-Authenticate"] = header


def problem_body(
    request: Request | HttpRequest, status: int, *, detail: str = "", errors: tuple[FieldError, ...] = (), slug: str = "", title: str = ""
) -> dict[str, Any]:
    known_slug, known_title, advice = PROBLEMS.get(status, PROBLEMS[500])
    body: dict[str, Any] = {
        "type": f"/problems/{slug or known_slug}",
        "title": title or known_title,
        "status": status,
        "detail": detail or advice,
        "instance": str(getattr(request, "request_id", "")),
    }
    if errors:
        body["errors"] = [{"loc": list(error.loc), "code": error.code, "msg": error.msg} for error in errors]
    return body


def problem(request: Request | HttpRequest, status: int, **parts: Any) -> Response:
    """A problem for a REST view to return; DRF renders it."""
    return Response(problem_body(request, status, **parts), status=status, content_type=CONTENT_TYPE)


def problem_response(request: HttpRequest, status: int, **parts: Any) -> HttpResponse:
    """A problem outside a REST view, such as an address under /api/ that does not exist."""
    return HttpResponse(to_json(problem_body(request, status, **parts)), status=status, content_type=CONTENT_TYPE)
