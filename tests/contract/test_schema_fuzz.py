"""Every operation of the OpenAPI document is sent what that allows and what it forbids: no 500, no answer that it does not tell of."""

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import PersonalToken, Team, User
from anomalies import services
from anomalies.models import Anomaly, Comment, Flow, Integration, Notice, SavedView, Tag
from anomalies.services.tickets import Ticket, link_ticket
from config.api import throttling
from datastores.models import Container, Operation
from orgs.models import Event, IngestKey, OrgToken
from tests import factories
from tests.api.test_schema_truth import DOCUMENT

pytestmark = pytest.mark.django_db
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Examples per operation and mode.
FEW, MANY = 2, int(os.environ.get("FUZZ_EXAMPLES", "60"))


@dataclass
class World:
    """An Admin's token, and by the first word of an address the ids of things of that kind."""

    token: str
    ids: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture
def _one_connection():
    """The requests share the connection of the test, as those of Django's own test client do."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def world(_one_connection, org, datastore, admin, author, viewer, settings, monkeypatch) -> World:
    """One of everything."""
    settings.API_RATE_PER_MINUTE, settings.API_BURST = 6_000_000, 600_000
    monkeypatch.setattr(throttling, "buckets", throttling._Buckets())
    metric = factories.make_metric(datastore, "cpu", resolution_s=60.0)
    excursion = factories.make_anomaly(metric, fingerprint=7, partition_scan_id=3, container_scan_id=3)
    container = Container.objects.create(org=org, datastore=datastore, name="orders")
    record = Anomaly.objects.create(
        org=org, datastore=datastore, container=container, type="record", message="null", created=factories.STARTED, partition_scan_id=3
    )
    archived = factories.make_anomaly(metric, kind="dip", status="Resolved")
    factories.put_tag(record, "High")
    services.comment_on(excursion, user=admin, message="Seen.", mentioned_user_ids=[viewer.pk])
    integration = Integration.objects.create(org=org, name="Jira", type="jira", url="https://jira.example.com")
    link = link_ticket(excursion, Ticket("1", "OPS-1", "New"), integration_id=integration.pk, user=admin)
    factories.make_flow(datastore)
    factories.make_notice(excursion, admin)
    factories.make_ingest_key(datastore)
    factories.make_org_token(org)
    Operation.objects.create(org=org, datastore=datastore, kind="import", status="running", user=admin)
    SavedView.objects.create(org=org, user=admin, name="Mine", query="status=Active")
    ids = {
        "anomalies": [excursion, record, archived],
        "users": list(User.objects.for_org(org)),
        "link_id": [link],
        "datastores": [datastore],
        "metrics": [metric],
    }
    kinds = {
        "comments": Comment,
        "flows": Flow,
        "integrations": Integration,
        "saved-views": SavedView,
        "teams": Team,
        "operations": Operation,
    }
    kinds |= {"user-notifications": Notice, "user-tokens": PersonalToken, "tokens": OrgToken, "ingest-keys": IngestKey, "events": Event}
    token = factories.make_personal_token(admin)
    found = {name: [str(row.pk) for row in rows] for name, rows in ids.items()}
    found |= {name: [str(pk) for pk in model.objects.values_list("pk", flat=True)] for name, model in kinds.items()}
    return World(
        token, found | {"global-tags": list(Tag.objects.values_list("name", flat=True)), "partitions": ["3"], "container-scans": ["3"]}
    )


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_dict(yaml.safe_load(yaml.safe_dump(DOCUMENT)))
    schema.app = get_wsgi_application()
    return [found.ok() for found in schema.get_all_operations()]


def real_parts(world: World, path: str) -> dict[str, list[str]]:
    """What there is, for each part of the address that is a reference."""
    words = path.removeprefix("/api/").split("/")
    kind = next((word for word in reversed(words[: words.index("{id}")]) if word in world.ids), "") if "{id}" in words else ""
    return {name: world.ids[key] for name, key in (("id", kind), ("name", "global-tags"), ("link_id", "link_id")) if world.ids.get(key)}


def faults(operation: Any, world: World, *, examples: int, mode: schemathesis.GenerationMode) -> str:
    """What is wrong with the first answer that is wrong; empty when none is."""
    parts = real_parts(world, operation.path)

    @seed(20261122)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def send(case: schemathesis.Case, data: st.DataObject) -> None:
        for name, known in parts.items():
            if name in case.path_parameters and data.draw(st.integers(0, 3)):
                case.path_parameters[name] = data.draw(st.sampled_from(known))
        with transaction.atomic():
            answer = case.call(headers={"Authorization": f"Bearer {world.token}"})
            transaction.set_rollback(True)
        assert answer.status_code not in (500, 503), answer.content
        case.validate_response(answer, checks=CHECKS)

    try:
        send()
    except Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE, operation.label  # it takes nothing that could be wrong
    except (AssertionError, FailureGroup) as wrong:
        return f"{operation.label} ({mode.value}): {wrong}"
    return ""


@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
def test_every_answer_is_one_that_the_document_tells_of(world, mode, examples):
    found = [fault for operation in operations() if (fault := faults(operation, world, examples=examples, mode=mode))]
    assert not found, "\n\n".join(found)
