"""The world of the examples: the anomalies 12345 to 12347, Alice Lee (42) and Bob Patel (57), the tag High (7), the integration 3."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from accounts.models import Level, User
from anomalies.models import Anomaly, AnomalyTag, FailedCheck, FailedField, Integration, Tag
from datastores.models import Container
from tests import factories
from tests.api.conftest import anonymous, as_, as_org  # noqa: F401 - fixtures
from tests.contract.curl import curl

CREATED = datetime(2026, 5, 15, 17, 22, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _free_numbers(db):
    """The numbers of the examples stay free: the database counts on from beyond them. Sequences do not turn back with a test."""
    with connection.cursor() as cursor:
        for table in ("accounts_user", "anomalies_anomaly", "anomalies_tag", "anomalies_integration"):
            numbers = f"pg_get_serial_sequence('{table}', 'id')"
            cursor.execute(f"SELECT setval({numbers}, greatest(20000, nextval({numbers})))")


@pytest.fixture
def alice(org, datastore) -> User:
    return factories.make_user(org, "Alice Lee", email="alice@example.com", pk=42, level=Level.VIEWER, datastore=datastore)


@pytest.fixture
def bob(org, datastore) -> User:
    return factories.make_user(org, "Bob Patel", email="bob@example.com", pk=57, level=Level.VIEWER, datastore=datastore)


@pytest.fixture
def container(org, datastore) -> Container:
    return Container.objects.create(org=org, datastore=datastore, name="orders")


@pytest.fixture
def tags(org) -> dict[str, Tag]:
    high = Tag.objects.create(pk=7, org=org, name="High", color="#d9480f", weight_modifier=5)
    return {"High": high, "Customer-Impact": Tag.objects.create(org=org, name="Customer-Impact", weight_modifier=3)}


@pytest.fixture
def integration(org) -> Integration:
    return Integration.objects.create(pk=3, org=org, name="ServiceNow", type="servicenow", url="https://example.service-now.com")


@pytest.fixture
def make(org, datastore, container):
    """A record anomaly of the container, with one failed check on customer_id."""

    def made(pk: int, **fields) -> Anomaly:
        plain = {
            "type": "record", "message": "customer_id is null.", "description": "Customer ID is missing for new orders", "weight": 54,
            "anomalous_records_count": 1, "fingerprint": 9182736455, "created": CREATED,
            "uuid": f"8e8b9f8b-1234-4abc-9def-0000000{pk:05d}",
        }  # fmt: skip
        anomaly = Anomaly.objects.create(pk=pk, org=org, datastore=datastore, container=container, **(plain | fields))
        check = FailedCheck.objects.create(
            org=org, anomaly=anomaly, quality_check_id=778, rule_type="notNull", message="customer_id is null."
        )
        FailedField.objects.create(org=org, anomaly=anomaly, failed_check=check, name="customer_id")
        return anomaly

    return made


@pytest.fixture
def anomaly(make) -> Anomaly:
    return make(12345)


@pytest.fixture
def three(anomaly, make, alice, bob, tags) -> list[Anomaly]:
    """12345, 12346 and 12347, all open; the last has a tag and an assignee."""
    last = make(12347)
    AnomalyTag.objects.create(org=last.org, anomaly=last, tag=tags["High"])
    factories.assign(last, alice)
    return [anomaly, make(12346), last]


@pytest.fixture
def by(db):
    """Sends a curl command as this person."""

    def send(user: User, command: str):
        return curl(command, token=factories.make_personal_token(user))

    return send
