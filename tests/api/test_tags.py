"""/api/global-tags: who manages tags, what they may be called, and what they make of the weight of anomalies."""

import pytest

from accounts.models import Level
from anomalies.models import Anomaly, Change, Tag
from anomalies.services import Edit, archive_anomaly, edit_anomaly
from anomalies.services import tags as service
from orgs.models import Event
from tests import factories
from tests.api.test_schema_truth import check

pytestmark = pytest.mark.django_db
HERE = "/api/global-tags"
HIGH = {"name": "High", "color": "#D9480f", "description": "Wakes somebody up.", "category": "urgency", "weight_modifier": 2}


@pytest.fixture
def tag(org) -> Tag:
    return Tag.objects.create(org=org, **HIGH)


@pytest.fixture
def tagged(datastore, author, tag, org):
    """Three anomalies of weight 5 with the tag, the second with another one, the third archived; and one without any."""
    Tag.objects.create(org=org, name="Other", weight_modifier=-1)
    breakdown = {"score": 4, "duration": 1, "tags": 0}
    made = [factories.make_anomaly(factories.make_metric(datastore, f"m{n}"), weight=5, weight_breakdown=breakdown) for n in range(4)]
    for number, names in enumerate((["High"], ["High", "Other"], ["High"])):
        edit_anomaly(made[number], Edit(anomaly_id=made[number].pk, tags=tuple(names)), user=author)
    archive_anomaly(made[2], user=author, status="Resolved")
    return made


def weights() -> list[tuple[int, int]]:
    return [(one.weight, one.weight_breakdown["tags"]) for one in Anomaly.objects.order_by("pk")]


def newest(anomaly: Anomaly) -> Change:
    return anomaly.changes.order_by("-pk").first()


def test_a_manager_makes_a_tag(as_, manager, viewer):
    answer = as_(manager).post(HERE, HIGH)
    made = Tag.objects.get()
    assert (answer.status_code, answer["Location"]) == (201, "/api/global-tags/High")
    assert answer.json() == {"id": made.pk, "type": "global", **HIGH}
    assert as_(viewer).get(answer["Location"]).json() == answer.json()
    check(answer, HERE, "post")


def test_a_name_that_needs_it_is_quoted(as_, manager):
    answer = as_(manager).post(HERE, {"name": "très élevé? 100%"})
    assert answer["Location"] == "/api/global-tags/tr%C3%A8s%20%C3%A9lev%C3%A9%3F%20100%25"
    shown = as_(manager).get(answer["Location"]).json()
    assert shown == answer.json()
    assert (shown["color"], shown["weight_modifier"], shown["category"]) == ("#6b747c", 0, "")


@pytest.mark.parametrize(
    ("who", "status"), [("viewer", 403), ("author", 403), ("stranger", 403), ("editor", 201), ("manager", 201), ("admin", 201)]
)
def test_who_makes_tags(as_, cast, who, status):
    answer = as_(cast[who]).post(HERE, {"name": "New"})
    assert (answer.status_code, Tag.objects.count()) == (status, int(status == 201))


def test_an_editor_of_the_public_team_is_one_and_a_demo_user_never(as_, stranger, org, datastore):
    demo = factories.make_user(org, "Demo", is_demo=True)
    org.teams.get(is_public=True).access.create(org=org, datastore=datastore, level=Level.EDITOR)
    assert as_(stranger).post(HERE, {"name": "New"}).status_code == 201
    refused = as_(demo).post(HERE, {"name": "Newer"})
    assert (refused.status_code, "the level editor on a datastore" in refused.json()["detail"]) == (403, True)


def test_a_manager_without_a_team_is_enough(as_, org):
    manager = factories.make_user(org, "Mia", role="manager")
    assert as_(manager).post(HERE, {"name": "New"}).status_code == 201


def test_a_tag_is_its_orgs(as_, outsider, tag):
    client = as_(outsider)
    assert client.get(f"{HERE}/High").status_code == 404
    assert client.put(f"{HERE}/High", {"color": "#000000"}).status_code == 404
    assert client.delete(f"{HERE}/High").status_code == 404
    assert client.get(HERE).json()["total"] == 0
    assert client.post(HERE, HIGH).status_code == 201
    assert sorted(Tag.objects.values_list("org__slug", "color")) == [("acme", "#D9480f"), ("acme-two", "#D9480f")]


@pytest.mark.parametrize("name", ["", " High", "High ", "a,b", "a/b", "a\nb", "a\0b", ".", "..", "listing", "x" * 101, 5, None])
def test_what_no_tag_can_be_called(as_, manager, tag, name):
    for answer in (as_(manager).post(HERE, {"name": name}), as_(manager).put(f"{HERE}/High", {"name": name})):
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "name"])
    assert Tag.objects.get().name == "High"


@pytest.mark.parametrize(
    ("field", "value"),
    [("color", "red"), ("color", "#12345"), ("weight_modifier", 11), ("weight_modifier", -11), ("weight_modifier", 1.5), ("type", "x")],
)
def test_what_no_tag_can_be(as_, manager, tag, field, value):
    for answer in (as_(manager).post(HERE, {"name": "New", field: value}), as_(manager).put(f"{HERE}/High", {field: value})):
        assert (answer.status_code, [error["loc"] for error in answer.json()["errors"]]) == (422, [["body", field]])
    assert Tag.objects.values().get() == {**Tag.objects.values().get(), **HIGH}


def test_a_name_that_is_taken_is_409(as_, manager, tag):
    client = as_(manager)
    assert client.post(HERE, {"name": "High"}).status_code == 409
    assert client.post(HERE, {"name": "high"}).status_code == 201
    assert client.put(f"{HERE}/high", {"name": "High"}).status_code == 409
    assert list(Tag.objects.values_list("name", flat=True)) == ["High", "high"]


def test_two_who_change_different_things_of_a_tag_both_have_their_way(manager, tag):
    early = Tag.objects.get()
    service.change_tag(Tag.objects.get(), user=manager, color="#000000", weight_modifier=7)
    service.change_tag(early, user=manager, description="Look at it.")
    kept = Tag.objects.get()
    assert (kept.color, kept.weight_modifier, kept.description) == ("#000000", 7, "Look at it.")
    assert Event.objects.filter(name__startswith="Tag High weighs").count() == 1


def test_lists_filter_sort_and_are_brief_for_menus(as_, viewer, org, tag):
    Tag.objects.create(org=org, name="Low", weight_modifier=-2)
    client = as_(viewer)
    assert [one["name"] for one in client.get(HERE).json()["items"]] == ["High", "Low"]
    assert [one["name"] for one in client.get(f"{HERE}?sort_weight_modifier=asc").json()["items"]] == ["Low", "High"]
    assert [one["name"] for one in client.get(f"{HERE}?category=urgency").json()["items"]] == ["High"]
    listing = client.get(f"{HERE}/listing?search=ow")
    assert listing.json()["items"] == [{"id": Tag.objects.get(name="Low").pk, "name": "Low", "color": "#6b747c", "weight_modifier": -2}]
    for path in (HERE, f"{HERE}/listing", f"{HERE}/High"):
        check(client.get(path), path.replace("/High", "/{name}"))


def test_another_modifier_weighs_every_anomaly_anew(as_, manager, tagged, monkeypatch):
    monkeypatch.setattr(service, "BATCH", 2)
    assert weights() == [(7, 2), (6, 1), (7, 2), (5, 0)]
    before = Change.objects.count()
    answer = as_(manager).put(f"{HERE}/High", {"weight_modifier": 10})
    assert (answer.status_code, answer.json()["weight_modifier"]) == (200, 10)
    assert weights() == [(15, 10), (14, 9), (15, 10), (5, 0)]
    lines = [newest(one) for one in tagged[:3]]
    assert [(line.changeset, line.user, line.actor) for line in lines] == [
        ({"weight": [7, 15]}, None, "tags"), ({"weight": [6, 14]}, None, "tags"), ({"weight": [7, 15]}, None, "tags"),
    ]  # fmt: skip
    assert len({line.transaction_id for line in lines}) == 1
    assert Change.objects.count() == before + 3
    event = Event.objects.get(name__startswith="Tag High")
    assert (event.name, event.user) == ("Tag High weighs +10 instead of +2", manager)
    as_(manager).put(f"{HERE}/High", {"weight_modifier": 10})
    assert Change.objects.count() == before + 3


def test_other_changes_leave_the_weights(as_, manager, tagged):
    before = Change.objects.count()
    answer = as_(manager).put(f"{HERE}/High", {"name": "Higher", "color": "#000000", "description": "", "category": ""})
    assert answer.status_code == 200
    assert as_(manager).get(f"{HERE}/Higher").json() == answer.json()
    assert as_(manager).get(f"{HERE}/High").status_code == 404
    assert (weights()[0], Change.objects.count()) == ((7, 2), before)
    assert [one.name for one in tagged[0].global_tags.all()] == ["Higher"]


def test_deleting_takes_it_off_every_anomaly(as_, manager, tagged, tag):
    assert as_(manager).delete(f"{HERE}/High").status_code == 204
    assert weights() == [(5, 0), (4, -1), (5, 0), (5, 0)]
    other = Tag.objects.get()
    line = newest(tagged[1])
    high, low = {"id": tag.pk, "name": "High"}, {"id": other.pk, "name": "Other"}
    assert (line.user, line.actor) == (manager, "user")
    assert line.changeset == {"global_tags": [[high, low], [low]], "weight": [6, 4]}
    assert list(tagged[1].global_tags.all()) == [other]
    assert as_(manager).delete(f"{HERE}/High").status_code == 404


def test_a_version_that_is_not_the_newest_is_412(as_, manager, tag):
    client = as_(manager)
    old = client.get(f"{HERE}/High")["ETag"]
    assert client.put(f"{HERE}/High", {"color": "#000000"}, headers={"If-Match": old}).status_code == 200
    assert client.put(f"{HERE}/High", {"color": "#ffffff"}, headers={"If-Match": old}).status_code == 412
    assert client.delete(f"{HERE}/High", headers={"If-Match": old}).status_code == 412
    assert Tag.objects.get().color == "#000000"


def test_queries_do_not_grow_with_the_anomalies(as_, manager, tagged, same_queries):
    client = as_(manager)
    same_queries("tags", lambda: client.get(HERE))
    same_queries("tag reweighed", lambda: client.put(f"{HERE}/High", {"weight_modifier": 9}))
    same_queries("tag deleted", lambda: client.delete(f"{HERE}/High"))
