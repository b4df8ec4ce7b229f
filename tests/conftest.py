"""A session with servers of its own, and the cast: who stands for whom in every test of rights and tenancy."""

import math
import os
import resource
from datetime import UTC, datetime

from tests.servers import provide_session_servers

provide_session_servers()
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402  the settings read the addresses of the servers
from django.conf import settings  # noqa: E402

settings.DATABASES["default"]["AS_OWNER"] = True
settings.DATABASES["default"]["OPTIONS"]["pool"]["timeout"] = 240  # a crowded machine takes its time to open a connection
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collectstatic for a test
settings.MIDDLEWARE.insert(0, "tests.acting.ActingMiddleware")
django.setup()
# A worker of pytest-xdist must not find it: it would read the settings before it has servers of its own.
del os.environ["DJANGO_SETTINGS_MODULE"]

import hypothesis  # noqa: E402
import pytest  # noqa: E402
from celery.signals import task_postrun, task_prerun  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.db import connection  # noqa: E402

from accounts import sessions  # noqa: E402
from accounts.models import Level, Role, User  # noqa: E402
from anomalies import kept_lists  # noqa: E402
from config.api import throttling  # noqa: E402
from config.celery import app as celery_app  # noqa: E402
from datastores.models import Datastore  # noqa: E402
from orgs import origins, tenancy  # noqa: E402
from orgs.delivery import http  # noqa: E402
from orgs.models import Org  # noqa: E402
from tests import broker, buckets, factories  # noqa: E402
from tests.acting import begin_acting, end_acting  # noqa: E402
from tests.product import CROWDED_S  # noqa: E402

# One test that asks for all memory fails alone, with its traceback, and does not take the run with it. A browser reserves more.
if "PYTEST_XDIST_WORKER" in os.environ:
    resource.setrlimit(resource.RLIMIT_AS, (10 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
# Without an answer of Redis in time there is no limit of calls, no kept list and no session of somebody unknown: here it may take its time.
throttling.BUCKET = buckets.standing()
throttling.TIMEOUT_S = sessions.TIMEOUT_S = kept_lists.TIMEOUT_S = CROWDED_S
# Whether a list is kept depends on how long reading it took; the tests of that set a limit of their own.
kept_lists.WORTH_S = math.inf
# And other people's servers, which are threads of the tests.
http.TIMEOUT_S = http.DEADLINE_S = CROWDED_S
# Nor are the property tests about how long anything takes.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")
celery_app.conf.task_always_eager = True
celery_app.conf.task_eager_propagates = True


task_prerun.connect(begin_acting)
task_postrun.connect(end_acting)


@pytest.fixture(autouse=True)
def _in_nobodys_name():
    """Nothing that a test entered is left for the next."""
    with tenancy.apart():
        yield


@pytest.fixture
def unattended():
    """Tasks go to the broker and wait there for `unattended.work()`."""
    with broker.unattended() as found:
        yield found


@pytest.fixture
def no_broker():
    """No task finds its broker."""
    with broker.away():
        yield


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()
    origins.forget()


@pytest.fixture
def set_clock(monkeypatch):
    """Moves the product's clock to a time in unix milliseconds, where it stands still. The servers go by clocks of their own."""

    def move(now_ms: int) -> None:
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)

    return move


# Not models of Django's, so that it does not empty them between two tests.
RAW_TABLES = (
    "metrics_batch",
    "metrics_verdict",
    "metrics_point_hour",
    "metrics_point_day",
    "metrics_verdict_hour",
    "metrics_verdict_day",
    "metrics_fold",
)


@pytest.fixture(autouse=True)
def _empty_raw_tables(request, django_db_blocker):
    """After a test that commits."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(RAW_TABLES)}")


@pytest.fixture
def org(db) -> Org:
    return factories.make_org("Acme", slug="acme")


@pytest.fixture
def datastore(org: Org) -> Datastore:
    """The datastore "Metrics" that the org has from birth."""
    return org.datastores.get()


@pytest.fixture
def admin(org: Org) -> User:
    return factories.make_user(org, "Ada Admin", role=Role.ADMIN)


@pytest.fixture
def manager(org: Org, datastore: Datastore) -> User:
    """A manager with level editor."""
    return factories.make_user(org, "Max Manager", role=Role.MANAGER, level=Level.EDITOR, datastore=datastore)


@pytest.fixture
def reporter(org: Org, datastore: Datastore) -> User:
    return factories.make_user(org, "Rita Reporter", level=Level.REPORTER, datastore=datastore)


@pytest.fixture
def viewer(org: Org, datastore: Datastore) -> User:
    return factories.make_user(org, "Vic Viewer", level=Level.VIEWER, datastore=datastore)


@pytest.fixture
def drafter(org: Org, datastore: Datastore) -> User:
    return factories.make_user(org, "Dora Drafter", level=Level.DRAFTER, datastore=datastore)


@pytest.fixture
def author(org: Org, datastore: Datastore) -> User:
    return factories.make_user(org, "Al Author", level=Level.AUTHOR, datastore=datastore)


@pytest.fixture
def editor(org: Org, datastore: Datastore) -> User:
    return factories.make_user(org, "Eve Editor", level=Level.EDITOR, datastore=datastore)


@pytest.fixture
def stranger(org: Org) -> User:
    """A member of the org without a level on any datastore."""
    return factories.make_user(org, "Sam Stranger")


@pytest.fixture
def other_org(db) -> Org:
    """Another tenant of the same name, with the same names inside."""
    return factories.make_org("Acme", slug="acme-two")


@pytest.fixture
def other_datastore(other_org: Org) -> Datastore:
    return other_org.datastores.get()


@pytest.fixture
def outsider(other_org: Org) -> User:
    """An admin of the other org: may do everything there and must see nothing here."""
    return factories.make_user(other_org, "Ada Admin", email="ada.admin@two.example", role=Role.ADMIN)


@pytest.fixture
def cast(admin, manager, reporter, viewer, drafter, author, editor, stranger, outsider) -> dict[str, User]:
    """Everybody by the word for what they are, for tables of rights."""
    people = {"admin": admin, "manager": manager, "reporter": reporter, "viewer": viewer, "drafter": drafter}
    return people | {"author": author, "editor": editor, "stranger": stranger, "outsider": outsider}
