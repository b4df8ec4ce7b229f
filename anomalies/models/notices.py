"""Who follows which anomaly, what they were told of it, and what they want to be told."""

from django.db import models

from accounts.models import User
from anomalies.models.anomalies import Anomaly
from anomalies.querysets import NoticeQuerySet
from orgs.models import Org
from orgs.querysets import OrgQuerySet


class Watch(models.Model):
    """Whether a person follows an anomaly. Once somebody has switched it off, only they switch it on again."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="watches")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    is_on = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)

    objects = OrgQuerySet["Watch"].as_manager()

    class Meta:
        verbose_name_plural = "watches"
        # Also the watchers of what has changed.
        constraints = (models.UniqueConstraint(fields=("anomaly", "user"), name="one_watch_per_person"),)

    def __str__(self) -> str:
        return f"{self.user_id} watches {self.anomaly_id}: {self.is_on}"


class Notice(models.Model):
    """Something that a person is told about an anomaly: in the product, by mail or both."""

    class Kind(models.TextChoices):
        MENTIONED = "mentioned", "You are mentioned"
        ASSIGNED = "assigned", "An anomaly is assigned to you"
        WATCHED = "watched", "An anomaly that you watch has changed"

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)

    transaction_id = models.BigIntegerField(help_text="The newest change that it tells of, as in the history.")
    by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    actor = models.CharField(max_length=64, help_text="`user`, or the part of the system that did it.")
    changeset = models.JSONField(default=dict, help_text="{field: [before, after]}, over all changes that it tells of.")
    comment = models.TextField(blank=True, help_text="The beginning of the newest comment that it tells of.")
    changes = models.PositiveIntegerField(default=1, help_text="How many changes it tells of.")
    created = models.DateTimeField(help_text="Of the newest change that it tells of.")

    in_app = models.BooleanField(default=True, help_text="Whether it is shown in the product.")
    acknowledged = models.DateTimeField(null=True, blank=True)
    mail_due = models.DateTimeField(null=True, blank=True, help_text="Since when it waits for the next mail; empty: nothing to mail.")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ("-created", "-pk")
        constraints = (
            # What was not read yet grows instead of piling up.
            models.UniqueConstraint(
                fields=("user", "anomaly"), condition=models.Q(kind="watched", acknowledged=None), name="one_unread_notice_per_watch"
            ),
        )
        indexes = (
            # A person's notices, newest first.
            models.Index(fields=("user", "-created", "-id"), condition=models.Q(in_app=True), name="notice_list"),
            # The unread ones, and their number on every page.
            models.Index(fields=("user", "-created", "-id"), condition=models.Q(in_app=True, acknowledged=None), name="notice_unread"),
            # What the next round of mails takes.
            models.Index(fields=("mail_due",), condition=models.Q(mail_due__isnull=False), name="notice_to_mail"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: anomaly {self.anomaly_id} for {self.user_id}"


class NoticeSettings(models.Model):
    """What a person wants to be told, and where. Whoever has no row wants all of it."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="notice_settings")
    mentioned_in_app = models.BooleanField(default=True)
    mentioned_email = models.BooleanField(default=True)
    assigned_in_app = models.BooleanField(default=True)
    assigned_email = models.BooleanField(default=True)
    watched_in_app = models.BooleanField(default=True)
    watched_email = models.BooleanField(default=True)
    auto_watch = models.BooleanField(default=True, help_text="Watch what one comments on, is assigned to or mentioned on.")

    objects = OrgQuerySet["NoticeSettings"].as_manager()

    class Meta:
        verbose_name_plural = "notice settings"

    def __str__(self) -> str:
        return f"of {self.user_id}"
