"""What people say about an anomaly, and whom they mention."""

from django.db import models

from accounts.models import User
from anomalies.models.anomalies import Anomaly
from anomalies.querysets import CommentQuerySet
from orgs.models import Org


class Comment(models.Model):
    """One thing that a person said about an anomaly. Deleting keeps it, out of sight."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="comments")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    message = models.TextField(help_text="Mentions stand in it as @[Name](id).")
    mentioned: "models.ManyToManyField[User, Mention]" = models.ManyToManyField(User, through="Mention", related_name="+")
    created = models.DateTimeField()
    edited = models.DateTimeField(null=True, blank=True)
    deleted = models.DateTimeField(null=True, blank=True)
    deleted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = CommentQuerySet.as_manager()

    class Meta:
        ordering = ("-created", "-pk")
        indexes = (
            # The comments of one anomaly, newest first.
            models.Index(fields=("anomaly", "-created", "-id"), name="comment_of_anomaly"),
            # The comments of an org, newest first.
            models.Index(fields=("org", "-created", "-id"), name="comment_recent"),
        )

    def __str__(self) -> str:
        return self.message[:80]


class Mention(models.Model):
    """One person whom a comment mentions."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    comment = models.ForeignKey(Comment, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("comment", "user"), name="once_in_a_comment"),)

    def __str__(self) -> str:
        return f"{self.user_id} in {self.comment_id}"
