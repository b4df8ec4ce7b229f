"""What a person does about being told: watching, reading, and saying what they want to hear of."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from anomalies.models import Anomaly, Notice, NoticeSettings, Watch


def set_watch(anomaly: Anomaly, *, user: User, is_on: bool) -> Watch:
    """The person's word on the anomaly, which what they do there later does not overrule. Saying it twice is once."""
    wanted = {"is_on": is_on, "org_id": anomaly.org_id}
    return Watch.objects.update_or_create(anomaly=anomaly, user=user, defaults=wanted)[0]


def is_watching(anomaly: Anomaly, *, user: User) -> bool:
    return Watch.objects.filter(anomaly=anomaly, user=user, is_on=True).exists()


@transaction.atomic
def acknowledge_all(user: User, *, until: datetime | None = None) -> int:
    """Marks what the person was told (up to `until`) as read; how many notices that were. In order, as notices are written."""
    unread = Notice.objects.for_org(user.org_id).unread().filter(user=user, in_app=True)
    if until is not None:
        unread = unread.filter(created__lte=until)
    ids = list(unread.order_by("anomaly_id", "user_id", "pk").select_for_update().values_list("pk", flat=True))
    return Notice.objects.filter(pk__in=ids).update(acknowledged=timezone.now(), mail_due=None)


def acknowledge(notice: Notice) -> Notice:
    """Marks one as read; a read one stays as it is."""
    Notice.objects.filter(pk=notice.pk, acknowledged=None).update(acknowledged=timezone.now(), mail_due=None)
    notice.refresh_from_db(fields=("acknowledged",))
    return notice


def acknowledge_about(anomaly: Anomaly, *, user: User) -> None:
    """The person has it before them: what they were told of it is read."""
    Notice.objects.unread().filter(user=user, anomaly=anomaly, in_app=True).update(acknowledged=timezone.now(), mail_due=None)


def settings_of(user: User) -> NoticeSettings:
    """The person's settings; the defaults, not stored, for whoever has never changed them."""
    return NoticeSettings.objects.filter(user=user).first() or NoticeSettings(org_id=user.org_id, user=user)


def change_settings(user: User, changes: Mapping[str, bool]) -> NoticeSettings:
    """The settings with `changes` (by field) applied."""
    return NoticeSettings.objects.update_or_create(user=user, defaults=dict(changes), create_defaults={**changes, "org_id": user.org_id})[0]
