"""An endpoint of the session API is one declaration: its route, who may call it, its parameters, its documents all come from it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from django.utils.cache import patch_vary_headers

from accounts.callers import OrgCaller
from accounts.models import Role, User
from accounts.permissions import HELD_BACK, PERMISSIONS, Need, has_role, is_held_back
from accounts.sessions import ANONYMOUS_S, is_anonymous
from config.api.session.calls import Call, Unauthenticated, begin, check_origin, keep_session, may_read
from config.api.session.envelope import Answer, Data, Refusal, enveloped, refusal_of
from config.api.session.parameters import DAY_S, Parameter
from config.api.session.signed import SIGNATURE, caller_of_signed
from orgs.errors import DomainError, FieldError, Forbidden, Invalid
from orgs.models import Org

View = Callable[..., Data | Answer | HttpResponseBase]


class Kind(Enum):
    """What an endpoint does, and so which methods it takes."""

    READ = ("GET", "POST")
    WRITE = ("POST",)
    BOTH = ("GET", "POST")  # reads, and writes when POSTed with one of the fields that write
    GET = ("GET",)
    PUT = ("PUT",)

    # Two members with the same methods would be one without this.
    def __new__(cls, *methods: str) -> "Kind":
        member = object.__new__(cls)
        member._value_ = (len(cls.__members__), *methods)
        return member

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(str(method) for method in self.value[1:])


class MethodNotAllowed(DomainError):
    status, slug, title = 405, "method-not-allowed", "Method not allowed"

    def __init__(self, detail: str, methods: Sequence[str]) -> None:
        super().__init__(detail)
        self.headers = {"Allow": ", ".join(methods)}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """`operation` is a row of the permission table; without one the endpoint is public."""

    path: str
    kind: Kind
    view: View
    operation: str = ""
    write_operation: str = ""  # of a call that writes, where reading needs less
    parameters: tuple[Parameter, ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)
    knows_caller: bool = True  # False: the answer is the same for all, so nobody looks who calls
    has_session: bool = True  # False: no session is begun or told, so that not even a cookie comes with it
    produces: str = "application/json"

    @property
    def group(self) -> str:
        return "/" + self.path.split("/")[1]

    @property
    def name(self) -> str:
        return f"{self.view.__module__}.{self.view.__name__}"

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.view) or "").split("\n\n")[0].replace("\n", " ")

    @property
    def description(self) -> str:
        """What follows the summary; paragraphs stand apart by an empty line."""
        return "\n\n".join(words.replace("\n", " ") for words in (inspect.getdoc(self.view) or "").split("\n\n")[1:])

    @property
    def need(self) -> Need | None:
        return PERMISSIONS[self.operation] if self.operation else None

    @property
    def is_signable(self) -> bool:
        """Whether a signed address opens it without a session."""
        return any(parameter.framed for parameter in self.parameters)

    @property
    def who(self) -> str:
        """Who may call it, in words."""
        need = self.need
        if need is None:
            return "Everybody"
        person = "An admin who is logged in" if need.role is Role.ADMIN else "A person who is logged in"
        who = f"{person}, or an org token" if need.org_token else person
        return f"{who}; whoever has a signed address of it" if self.is_signable else who

    def route(self) -> URLPattern:
        """The Django route. `/a/{b}` becomes `a/<str:b>`."""
        pattern = self.path.removeprefix("/")
        for parameter in self.parameters:
            if parameter.in_path:
                pattern = pattern.replace(f"{{{parameter.name}}}", f"<{parameter.converter}:{parameter.name}>")
        return path(pattern, _Handler(self))


class _Handler:
    """What Django calls. It authenticates by itself, so the middlewares for pages leave it alone."""

    login_required = False
    csrf_exempt = True

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.__name__ = self.__qualname__ = endpoint.view.__name__
        self.__module__ = endpoint.view.__module__

    def __call__(self, request: HttpRequest, **in_path: str) -> HttpResponseBase:
        if request.method == "OPTIONS":
            return with_cors(request, _preflight(request, self.endpoint))
        call = begin(request)
        answer: Data | Answer | Refusal | HttpResponseBase
        try:
            answer = _answer(self.endpoint, call, in_path)
        except Exception as exc:  # noqa: BLE001  every failure is answered in the envelope; unknown ones are logged
            answer = refusal_of(exc, call)
        return finished(call, answer, has_session=self.endpoint.has_session)


def endpoint(path: str, *, kind: Kind = Kind.READ, **declared: Any) -> Callable[[View], Endpoint]:
    """Declares an endpoint of the session API: see `Endpoint`. The view's docstring is its documentation."""
    return lambda view: Endpoint(path=path, kind=kind, view=view, **declared)


def not_found(request: HttpRequest) -> HttpResponseBase:
    """The answer to an address that does not exist."""
    return refused(request, Refusal(404, "There is no such address. /doc lists all."))


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponseBase:
    """A refusal outside any endpoint, in the envelope."""
    return finished(begin(request), refusal)


def finished(call: Call, answer: Data | Answer | Refusal | HttpResponseBase, *, has_session: bool = True) -> HttpResponseBase:
    if isinstance(answer, HttpResponseBase):
        response: HttpResponseBase = answer
        if has_session:
            keep_session(call)
    else:
        response = enveloped(call, answer if isinstance(answer, Answer | Refusal) else Answer(answer))
    if has_session:
        _tell_session(call, response)
    caller = call.__dict__.get("caller")
    return with_cors(call.request, response, None if caller is None or isinstance(caller, AnonymousUser) else caller.org)


def _tell_session(call: Call, response: HttpResponseBase) -> None:
    """The cookie, unless the caller names its session itself or has this one already."""
    key = call.session.session_key
    if key is None or call.source not in ("cookie", "new") or call.request.COOKIES.get(settings.SESSION_COOKIE_NAME) == key:
        return
    response.set_cookie(
        settings.SESSION_COOKIE_NAME,
        key,
        max_age=ANONYMOUS_S if is_anonymous(key) else call.session.get_expiry_age(),
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )
    patch_vary_headers(response, ("Cookie",))


def _answer(endpoint: Endpoint, call: Call, in_path: Mapping[str, str]) -> Data | Answer | HttpResponseBase:
    method = "GET" if call.request.method == "HEAD" else call.request.method or ""
    if method not in endpoint.kind.methods:
        raise MethodNotAllowed(f"This takes {' and '.join(endpoint.kind.methods)}.", endpoint.kind.methods)
    if call.trouble is not None:
        raise call.trouble
    writes = _writes(endpoint, call, method)
    try:
        _authorize(endpoint, call, writes=writes)
    finally:  # who guesses at tokens is counted, too
        if endpoint.knows_caller:
            call.count()
    values = _values(endpoint, call, in_path)
    return endpoint.view(call, **values)


def _writes(endpoint: Endpoint, call: Call, method: str) -> bool:
    if endpoint.kind is not Kind.BOTH:
        return endpoint.kind in (Kind.WRITE, Kind.PUT)
    sent = [one.name for one in endpoint.parameters if one.writes and one.name in call.received.values]
    if sent and method != "POST":
        raise MethodNotAllowed(f"With {', '.join(sent)} this writes, and takes POST only.", ("POST",))
    return bool(sent)


def _authorize(endpoint: Endpoint, call: Call, *, writes: bool) -> None:
    """Raises Unauthenticated (401) or Forbidden (403) with the reason."""
    if endpoint.is_signable and call.received.text(SIGNATURE):
        call.become_org(caller_of_signed(call.request.path, call.received.values, now_s=call.now_s))
    if endpoint.operation:
        _check_role(endpoint, (writes and endpoint.write_operation) or endpoint.operation, call, writes=writes)
    elif endpoint.knows_caller:
        call.look()
    if writes:
        check_origin(call)


def _check_role(endpoint: Endpoint, operation: str, call: Call, *, writes: bool) -> None:
    caller, need = call.caller, PERMISSIONS[operation]
    if isinstance(caller, AnonymousUser):
        raise Unauthenticated("Log in, or send an org token in the header X-Auth-Token." if need.org_token else "Log in first.")
    if isinstance(caller, OrgCaller) and not need.org_token:
        raise Unauthenticated("An org token is not enough here: this needs a person. Log in.")
    if is_held_back(caller, operation):
        raise Forbidden(HELD_BACK)
    if isinstance(caller, User) and caller.is_demo:
        if writes:
            raise Forbidden("Demo users may look at everything of their org and change nothing.")
    elif not has_role(caller, operation):
        raise Forbidden(f"This needs the role {need.role.label}.")


def _values(endpoint: Endpoint, call: Call, in_path: Mapping[str, str]) -> dict[str, Any]:
    """The view's arguments. Raises Invalid naming every parameter that does not do."""
    values, errors = dict[str, Any](), list[FieldError]()
    for parameter in endpoint.parameters:
        raw = in_path.get(parameter.name) if parameter.in_path else call.received.values.get(parameter.name)
        try:
            value = _value(parameter, raw, now=call.now_s)
        except ValueError as exc:
            if parameter.in_path:
                raise Http404 from exc
            errors.append(FieldError((parameter.name,), "invalid", str(exc)))
            continue
        if not parameter.framed:
            values[parameter.key] = value
    if not errors and {"since", "until"} <= values.keys():
        errors += _fill_window(values, now=call.now_s)
    if errors:
        raise Invalid("Some parameters do not do; `errors` names them.", errors=errors)
    return values


def _value(parameter: Parameter, raw: Any, *, now: int) -> Any:
    """An empty text is a value only where a write may empty a field."""
    if raw is None or (raw == "" and not parameter.writes and not parameter.in_path):
        if parameter.required:
            raise ValueError("This is required.")
        return parameter.default
    value = parameter.read(raw, now=now)
    if parameter.required and value in ("", ()):
        raise ValueError("This is required.")
    return value


def _fill_window(values: dict[str, Any], *, now: int) -> list[FieldError]:
    if values["until"] is None:
        values["until"] = now
    if values["since"] is None:
        values["since"] = max(0, values["until"] - DAY_S)
    wrong = values["since"] >= values["until"]
    return [FieldError(("from",), "invalid", "`from` must be before `until`.")] if wrong else []


ALLOWED_HEADERS: Final = "Content-Type, X-Session-Id, X-Auth-Token, X-Request-Id"


def _preflight(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    response = HttpResponse(status=204, headers={"Allow": ", ".join((*endpoint.kind.methods, "OPTIONS"))})
    if may_read(request.headers.get("Origin", ""), None):
        response["Access-Control-Allow-Methods"] = ", ".join(endpoint.kind.methods)
        response["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response["Access-Control-Max-Age"] = "600"
    return response


def with_cors(request: HttpRequest, response: HttpResponseBase, org: Org | None = None) -> HttpResponseBase:
    """Lets pages of the configured origins read the answer. Never with credentials: a cookie authenticates nobody across sites."""
    origin = request.headers.get("Origin")
    if origin is not None:
        patch_vary_headers(response, ("Origin",))
        if may_read(origin, org):
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = "X-Request-Id, Retry-After"
    return response
