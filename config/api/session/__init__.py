"""The frame of the session API: every root endpoint inherits it.

    @endpoint("/misc/timesince", parameters=(Timestamp(name="timestamp", required=True),))
    def timesince(call: Call, *, timestamp: int) -> Data: ...

`routes(...)` of a module's endpoints go into the `root` list of the app's urls.py; validation, `/doc` and `/doc/openapi` follow.
"""

from collections.abc import Iterable
from types import ModuleType

from django.urls import URLPattern

from config.api.session.calls import Call as Call
from config.api.session.calls import Unauthenticated as Unauthenticated
from config.api.session.endpoint import Endpoint as Endpoint
from config.api.session.endpoint import Kind as Kind
from config.api.session.endpoint import endpoint as endpoint
from config.api.session.envelope import Answer as Answer
from config.api.session.envelope import Cookie as Cookie
from config.api.session.envelope import Data as Data
from config.api.session.envelope import moment_words as moment_words
from config.api.session.envelope import stamps as stamps
from config.api.session.signed import signed_url as signed_url
from config.api.session.signed import signing as signing


def routes(*modules: ModuleType) -> list[URLPattern]:
    """The routes of every endpoint that these modules declare, in the order of their declaration."""
    return [one.route() for one in declared(modules)]


def declared(modules: Iterable[ModuleType]) -> list[Endpoint]:
    return [one for module in modules for one in vars(module).values() if isinstance(one, Endpoint)]
