"""The demo's table: its faults are found, each as the anomaly that it is, by the service that scans use."""

import json

import pytest
from django.core.management import CommandError, call_command

from accounts import people
from accounts.models import PersonalToken, User
from anomalies.models import Anomaly, Comment, Integration, SourceRow, TicketLink
from config.demo import seed, table
from orgs.models import IngestKey, Org, OrgToken, PublicKey
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(settings, tmp_path) -> Org:
    settings.PLUMBLINE_HOME = tmp_path
    assert seed.seed()
    return Org.objects.get(slug=seed.DEMO_SLUG)


def test_at_least_twenty_are_open_with_all_that_hangs_on_them(demo):
    found = Anomaly.objects.for_org(demo).open()
    assert found.filter(type="record").count() == len({row for row, fault in table.FAULTS.items() if "reading_id" not in fault})
    assert found.filter(type="shape").count() == 4
    assert found.count() >= 20
    first = Anomaly.objects.get(pk=Comment.objects.order_by("pk").first().anomaly_id)
    assert (first.status, first.failed_checks.count(), first.assignees.count(), first.global_tags.count()) == ("Acknowledged", 3, 2, 3)
    assert (Comment.objects.count(), TicketLink.objects.get().anomaly_id) == (2, first.pk)
    assert set(Integration.objects.values_list("type", flat=True)) == {"jira", "servicenow"}
    assert "host-7" not in str([*found.values_list("message", flat=True), *SourceRow.objects.values_list("values", flat=True)])


def test_seeding_again_makes_nothing_more(demo):
    kinds = (Anomaly, User, IngestKey, OrgToken, PersonalToken, PublicKey)
    before = [kind.objects.count() for kind in kinds]
    assert not seed.seed()
    assert [kind.objects.count() for kind in kinds] == before
    assert PublicKey.objects.for_org(demo).count() == 1


def test_a_demo_whose_people_have_left_or_moved_stays_as_it_is(demo):
    alice, bob = demo.users.get(name="Alice Lee"), demo.users.get(name="Bob Patel")
    people.change_self(bob, email="bob@acme.example")
    people.remove_user(alice, actor_id=None)
    assert not seed.seed()
    assert Org.objects.get(slug=seed.DEMO_SLUG).pk == demo.pk
    assert User.objects.filter(email="bob@acme.example").exists()


def test_a_demo_made_anew_takes_no_address_that_somebody_has(demo, other_org):
    demo.users.get(name="Alice Lee").delete()
    factories.make_user(other_org, "Alice Lee", email="alice.lee@northwind.example")
    seed.demo_file().unlink()
    assert seed.seed()
    assert json.loads(seed.demo_file().read_text())["email"] == "alice.lee-2@northwind.example"
    assert set(User.objects.filter(name="Alice Lee").values_list("email", flat=True)) == {
        "alice.lee@northwind.example", "alice.lee-2@northwind.example",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "slug"), [("Contoso", seed.OTHER_SLUG), ("Northwind", seed.DEMO_SLUG)])
def test_an_org_that_only_has_the_name_is_left_alone(settings, tmp_path, name, slug):
    settings.PLUMBLINE_HOME = tmp_path
    real = factories.make_org(name, slug=slug)
    factories.make_user(real, "Real Customer", email="real@contoso.com")
    with pytest.raises(
        CommandError, match=f"nothing was changed.* {slug} is the name of an org that it did not make. Set PLUMBLINE_DEMO=0"
    ):
        call_command("demo")
    assert list(Org.objects.values_list("pk", "slug")) == [(real.pk, slug)]
    assert User.objects.get().email == "real@contoso.com"
    assert not seed.demo_file().exists()


def test_a_demo_of_an_earlier_version_is_marked_while_its_file_is_there(demo):
    Org.objects.update(is_seeded=False)
    assert not seed.seed()
    assert set(Org.objects.filter(is_seeded=True).values_list("slug", flat=True)) == {seed.DEMO_SLUG, seed.OTHER_SLUG}
    seed.demo_file().unlink()
    assert seed.seed()
    assert not Org.objects.filter(pk=demo.pk).exists()


def test_whoever_is_of_a_level_has_it_on_the_table_too(demo):
    inventory = demo.datastores.get(name=table.NAME)
    assert inventory.access.count() == demo.teams.exclude(is_public=True).count() == 5


def test_the_pages_show_them(demo, client):
    client.force_login(demo.users.get(name="Alice Lee"))
    for path in ("/app/inbox", "/app/anomalies/{record}", "/app/anomalies/{shape}"):
        ids = {type: Anomaly.objects.for_org(demo).filter(type=type).first().pk for type in ("record", "shape")}
        assert client.get(path.format(**ids)).status_code == 200, path
