"""Lists of anomalies that people keep under a name."""

from django.db import models

from accounts.models import Team, User
from anomalies.querysets import SavedViewQuerySet
from orgs.models import Org
from orgs.querysets import OrgQuerySet


class SavedView(models.Model):
    """The address of a list under a name: of one person, or shared with one of their teams."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    query = models.TextField(blank=True, help_text="The filters, sorts and tabs of the list as they stand in its address, without '?'.")
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Whose members see it too; empty: private."
    )
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (models.UniqueConstraint(fields=("user", "name"), name="one_saved_view_per_name"),)

    def __str__(self) -> str:
        return self.name


class DefaultView(models.Model):
    """The one view that a person's inbox begins with."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="defaults")

    objects = OrgQuerySet["DefaultView"].as_manager()

    def __str__(self) -> str:
        return f"{self.view_id} of {self.user_id}"
