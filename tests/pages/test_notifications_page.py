"""The reader's notifications: what happened, what was read, and what they want to hear of."""

from datetime import timedelta

import pytest

from anomalies.models import Notice, NoticeSettings
from anomalies.services import change_anomaly
from anomalies.services.following import set_watch
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = "/app/notifications"


@pytest.fixture
def notice(metric, viewer, author):
    anomaly = factories.make_anomaly(metric, message="39 where 10 to 20 were expected.")
    return factories.make_notice(anomaly, viewer, by=author, kind="mentioned", comment="Look, @[Vic Viewer](1): <b>odd</b>")


def test_what_happened_is_told_with_its_anomaly(as_, viewer, notice):
    page = as_(viewer).get(PAGE).content.decode()
    assert "Al Author mentioned you" in page
    assert f'href="/app/anomalies/{notice.anomaly_id}"' in page
    assert "39 where 10 to 20 were expected." in page
    assert "Look, @Vic Viewer: &lt;b&gt;odd&lt;/b&gt;" in page


def test_the_bell_says_how_many_are_unread(as_, viewer, author, notice):
    client = as_(viewer)
    assert 'aria-label="Notifications, 1 unread"' in client.get("/app/").content.decode()
    assert 'aria-label="Notifications, 1 unread"' in client.get(f"{PAGE}/bell").content.decode()
    assert 'aria-label="Notifications"' in as_(author).get("/app/").content.decode()
    for number in range(100):
        factories.make_notice(factories.make_anomaly(notice.anomaly.metric, kind=f"k{number}"), viewer)
    assert 'aria-label="Notifications, 99+ unread"' in client.get("/app/").content.decode()


def test_one_is_marked_as_read(as_, viewer, notice):
    client = as_(viewer)
    assert client.post(f"{PAGE}/read", {"id": notice.pk})["Location"] == PAGE
    page = client.get(PAGE).content.decode()
    assert "Nothing new" in page
    assert "Al Author mentioned you" in client.get(f"{PAGE}?show=all").content.decode()
    assert client.post(f"{PAGE}/read?show=all", {"id": notice.pk})["Location"] == f"{PAGE}?show=all"


def test_all_that_was_shown_is_marked_as_read_and_what_came_later_is_not(as_, viewer, metric, notice):
    later = factories.make_notice(factories.make_anomaly(metric, kind="later"), viewer, created=notice.created + timedelta(hours=1))
    client = as_(viewer)
    client.post(f"{PAGE}/read", {"until": (notice.created + timedelta(minutes=1)).isoformat()})
    assert Notice.objects.get(acknowledged=None) == later
    part = client.post(f"{PAGE}/read", {"until": "nonsense"}, headers={"HX-Request": "true"}).content.decode()
    assert Notice.objects.filter(acknowledged=None).count() == 0
    assert "Nothing new" in part
    assert 'hx-swap-oob="outerHTML:#bell"' in part
    assert "<html" not in part


def test_opening_the_anomaly_reads_what_was_told_of_it(as_, viewer, notice):
    as_(viewer).get(f"/app/anomalies/{notice.anomaly_id}")
    assert Notice.objects.get().acknowledged is not None


def test_a_notice_of_another_is_neither_shown_nor_read(as_, author, notice):
    client = as_(author)
    assert "mentioned you" not in client.get(f"{PAGE}?show=all").content.decode()
    assert client.post(f"{PAGE}/read", {"id": notice.pk}).status_code == 302
    assert Notice.objects.get().acknowledged is None


def test_wishes_are_kept_as_they_are_ticked(as_, viewer):
    client = as_(viewer)
    assert client.get(PAGE).content.decode().count(" checked>") == 8  # the sheet of keys has one
    client.post(f"{PAGE}/wishes", {"mentioned_in_app": "on", "watched_email": "on"})
    row = NoticeSettings.objects.get(user=viewer)
    assert (row.mentioned_in_app, row.watched_email, row.mentioned_email, row.assigned_in_app, row.auto_watch) == (
        True,
        True,
        False,
        False,
        False,
    )
    assert client.get(PAGE).content.decode().count(" checked>") == 3


def test_a_demo_user_changes_nothing(as_, org):
    client = as_(factories.make_user(org, "Demo", is_demo=True))
    assert "Demo users are told nothing." in client.get(PAGE).content.decode()
    assert [client.post(f"{PAGE}/{what}").status_code for what in ("read", "wishes")] == [403, 403]
    assert NoticeSettings.objects.count() == 0


def test_an_empty_list_says_what_will_be_there(as_, viewer):
    assert "When somebody mentions you" in as_(viewer).get(f"{PAGE}?show=all").content.decode()


def test_long_lists_have_pages(as_, viewer, metric):
    for number in range(30):
        factories.make_notice(factories.make_anomaly(metric, kind=f"k{number}"), viewer)
    client = as_(viewer)
    first, second = client.get(PAGE).content.decode(), client.get(f"{PAGE}?page=2").content.decode()
    assert (first.count('class="unread"'), second.count('class="unread"')) == (25, 5)
    assert f"{PAGE}?page=2" in first
    assert f"{PAGE}?page=1" in second


def test_a_visitor_is_led_to_the_log_in(client):
    for path in (PAGE, f"{PAGE}/bell"):
        assert client.get(path)["Location"].startswith("/app/login")


def test_queries_do_not_grow(as_, viewer, author, metric, queries_of):
    client = as_(viewer)
    anomaly = factories.make_anomaly(metric)
    set_watch(anomaly, user=viewer, is_on=True)
    change_anomaly(anomaly, user=author, status="Acknowledged")
    client.get(PAGE)
    few = queries_of(lambda: client.get(PAGE))
    for number in range(20):
        factories.make_notice(factories.make_anomaly(metric, kind=f"k{number}"), viewer, by=author)
    assert queries_of(lambda: client.get(PAGE)) == few
