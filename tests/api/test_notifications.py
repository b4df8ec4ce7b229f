"""What people were told: reading it, marking it as read, saying what they want to hear of, watching."""

from datetime import timedelta

import pytest

from anomalies.models import Notice, NoticeSettings, Watch
from tests import factories

pytestmark = pytest.mark.django_db
ADDRESS = "/api/user-notifications"


@pytest.fixture
def anomaly(datastore):
    return factories.make_anomaly(factories.make_metric(datastore))


@pytest.fixture
def notice(anomaly, viewer, author):
    return factories.make_notice(anomaly, viewer, by=author, comment="Look, @[Vic](1)")


def test_a_notice_says_what_happened_to_which_anomaly(as_, viewer, author, anomaly, notice):
    assert as_(viewer).get(ADDRESS).json() == {
        "items": [
            {
                "id": notice.pk, "kind": "watched", "text": "Al Author acknowledged it",
                "anomaly": {"id": anomaly.pk, "uuid": str(anomaly.uuid), "type": "metric", "status": "Active", "message": anomaly.message},
                "user": {"id": author.pk, "name": "Al Author"}, "actor": "user", "changes": 1,
                "changeset": {"status": ["Active", "Acknowledged"]}, "comment": "Look, @[Vic](1)", "transaction_id": 1,
                "created": "2026-03-01T12:00:00.000Z", "acknowledged": None,
            }
        ],
        "total": 1, "page": 1, "size": 50, "pages": 1, "unread": 1,
    }  # fmt: skip


def test_newest_come_first_and_read_ones_can_be_told_apart(as_, viewer, anomaly, notice):
    later = notice.created + timedelta(hours=1)
    read = factories.make_notice(anomaly, viewer, kind="mentioned", created=later, acknowledged=later)
    client = as_(viewer)

    def found(query: str) -> list[int]:
        return [item["id"] for item in client.get(f"{ADDRESS}?{query}").json()["items"]]

    assert found("") == [read.pk, notice.pk]
    assert (found("unread=true"), found("unread=false")) == ([notice.pk], [read.pk])
    assert (found("kind=mentioned,assigned"), found("kind=watched")) == ([read.pk], [notice.pk])
    assert client.get(f"{ADDRESS}?unread=false").json()["unread"] == 1


@pytest.mark.parametrize(("query", "field"), [("unread=maybe", "unread"), ("kind=loud", "kind"), ("user=1", "user"), ("size=101", "size")])
def test_nonsense_is_named(as_, viewer, query, field):
    answer = as_(viewer).get(f"{ADDRESS}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", field])


def test_nobody_reads_the_notices_of_others(as_, admin, author, notice):
    for user in (admin, author):
        assert as_(user).get(ADDRESS).json()["items"] == []
        assert as_(user).put(f"{ADDRESS}/acknowledge/{notice.pk}").status_code == 404
    assert Notice.objects.get().acknowledged is None


def test_what_one_may_no_longer_read_is_left_out(as_, viewer, notice):
    viewer.teams.get().access.update(level=1)
    client = as_(viewer)
    assert client.get(ADDRESS).json() | {"page": 1} == {"items": [], "total": 0, "page": 1, "size": 50, "pages": 0, "unread": 0}
    assert client.put(f"{ADDRESS}/acknowledge/{notice.pk}").status_code == 404


def test_what_comes_by_mail_only_is_not_shown(as_, viewer, notice):
    Notice.objects.update(in_app=False)
    assert as_(viewer).get(ADDRESS).json()["unread"] == 0


def test_reading_one_is_done_once_and_takes_it_from_the_next_mail(as_, viewer, notice):
    Notice.objects.update(mail_due=notice.created)
    client = as_(viewer)
    first, second = (client.put(f"{ADDRESS}/acknowledge/{notice.pk}") for _ in range(2))
    assert (first.status_code, first.json()["acknowledged"]) == (200, second.json()["acknowledged"])
    notice.refresh_from_db()
    assert (notice.acknowledged is None, notice.mail_due) == (False, None)
    assert client.get(ADDRESS).json()["unread"] == 0


def test_reading_all_leaves_what_came_later_and_what_is_others(as_, viewer, author, anomaly, notice):
    factories.make_notice(anomaly, author)
    later = factories.make_notice(anomaly, viewer, kind="mentioned", created=notice.created + timedelta(hours=1))
    client = as_(viewer)
    assert client.put(f"{ADDRESS}/acknowledge", {"until": "2026-03-01T12:30:00Z"}).json() == {"acknowledged": 1}
    assert set(Notice.objects.filter(acknowledged=None).values_list("user", "created")) == {
        (author.pk, notice.created),
        (viewer.pk, later.created),
    }
    assert client.put(f"{ADDRESS}/acknowledge", []).status_code == 422
    assert client.put(f"{ADDRESS}/acknowledge").json() == {"acknowledged": 1}
    assert client.put(f"{ADDRESS}/acknowledge").json() == {"acknowledged": 0}


@pytest.mark.parametrize("body", [{"until": "2026-03-01T12:30:00"}, {"until": 5}, {"before": "2026-03-01T12:30:00Z"}, ["x"]])
def test_nonsense_marks_nothing_as_read(as_, viewer, notice, body):
    answer = as_(viewer).put(f"{ADDRESS}/acknowledge", body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert Notice.objects.get().acknowledged is None


def test_everybody_is_told_everything_until_they_say_otherwise(as_, viewer):
    client, everywhere = as_(viewer), {"in_app": True, "email": True}
    shown = {"mentioned": everywhere, "assigned": everywhere, "watched": everywhere, "auto_watch": True}
    assert client.get(f"{ADDRESS}/settings").json() == shown
    assert NoticeSettings.objects.count() == 0
    changed = client.put(f"{ADDRESS}/settings", {"watched": {"email": False}, "auto_watch": False})
    assert changed.json() == shown | {"watched": {"in_app": True, "email": False}, "auto_watch": False}
    assert client.put(f"{ADDRESS}/settings", {"mentioned": {"in_app": False}}).json()["watched"] == {"in_app": True, "email": False}
    assert client.get(f"{ADDRESS}/settings").json()["mentioned"] == {"in_app": False, "email": True}


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"loud": {"email": True}}, ["body", "loud"]),
        ({"watched": {"sms": True}}, ["body", "watched", "sms"]),
        ({"watched": {"email": "perhaps"}}, ["body", "watched", "email"]),
        ({"auto_watch": None}, ["body", "auto_watch"]),
    ],
)
def test_settings_that_there_are_not_change_nothing(as_, viewer, body, loc):
    answer = as_(viewer).put(f"{ADDRESS}/settings", {"assigned": {"email": False}} | body)
    assert (answer.status_code, [error["loc"] for error in answer.json()["errors"]]) == (422, [loc])
    assert NoticeSettings.objects.count() == 0


def test_watching_and_not_watching_are_each_done_once(as_, viewer, anomaly):
    client, path = as_(viewer), f"/api/anomalies/{anomaly.uuid}/watch"
    assert client.get(path).json() == {"watching": False}
    assert [client.post(path).json() for _ in range(2)] == [{"watching": True}] * 2
    assert client.get(path).json() == {"watching": True}
    assert [client.delete(path).status_code for _ in range(2)] == [204, 204]
    assert (client.get(path).json(), Watch.objects.get().is_on) == ({"watching": False}, False)


@pytest.mark.parametrize(("who", "status"), [("reporter", 403), ("stranger", 404), ("outsider", 404)])
def test_whoever_may_not_read_the_history_does_not_watch(as_, cast, anomaly, who, status):
    path = f"/api/anomalies/{anomaly.pk}/watch"
    assert [as_(cast[who]).get(path).status_code, as_(cast[who]).post(path).status_code] == [status, status]
    assert Watch.objects.count() == 0


def test_a_change_reaches_those_who_watch(as_, viewer, author, anomaly):
    as_(viewer).post(f"/api/anomalies/{anomaly.pk}/watch")
    as_(author).put(f"/api/anomalies/{anomaly.pk}", {"status": "Acknowledged"})
    (item,) = as_(viewer).get(ADDRESS).json()["items"]
    assert (item["text"], item["anomaly"]["status"]) == ("Al Author acknowledged it", "Acknowledged")
    assert as_(author).get(ADDRESS).json()["unread"] == 0


def test_query_counts(as_, viewer, datastore, same_queries):
    metric = factories.make_metric(datastore)
    for number in range(20):
        factories.make_notice(factories.make_anomaly(metric, kind=f"kind {number}"), viewer)
    client, anomaly = as_(viewer), Notice.objects.latest("pk").anomaly_id
    client.get(ADDRESS)
    same_queries("GET /api/user-notifications, 20 rows", lambda: client.get(ADDRESS))
    same_queries("PUT /api/user-notifications/acknowledge", lambda: client.put(f"{ADDRESS}/acknowledge"))
    same_queries("GET /api/user-notifications/settings", lambda: client.get(f"{ADDRESS}/settings"))
    same_queries("POST /api/anomalies/{id}/watch", lambda: client.post(f"/api/anomalies/{anomaly}/watch"))
