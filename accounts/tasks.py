"""Background work for people: the mail."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts import letters
from accounts.models import Letter, Session, User
from orgs import ages
from orgs.services import org_ids
from orgs.tenancy import within

VISIT = timedelta(days=7)


@shared_task(ignore_result=True, time_limit=60, soft_time_limit=50)
def send_letter(letter_id: int) -> None:
    """Sends one letter; what fails is tried again in the round of `send_letters`."""
    letters.attempt(letter_id)


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def send_letters() -> int:
    """The postman's round: what no worker has sent yet."""
    return letters.send_waiting(now=timezone.now())


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def drop_visitors() -> int:
    """Demo users who came in for a look more than a week ago; how many went."""
    dropped = 0
    for org_id in org_ids():
        with within(org_id):
            gone = User.objects.filter(is_demo=True, contact_email__gt="", created__lt=timezone.now() - VISIT)
            dropped += int(gone.delete()[1].get("accounts.User", 0))
    return dropped


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def drop_sessions() -> int:
    """Sessions whose time is over; how many there were."""
    return ages.forget(Session.objects.filter(expire_date__lt=timezone.now()))


@shared_task(ignore_result=True, time_limit=300, soft_time_limit=280)
def drop_letters() -> int:
    """Mails of a month ago, with what they were about; reports of people stay. How many there were."""
    return ages.forget(Letter.objects.filter(created__lt=timezone.now() - ages.KEPT).exclude(kind=Letter.Kind.REPORT))
