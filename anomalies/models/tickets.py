"""Tickets of other systems that belong to an anomaly. Only the association is kept; the other system is never called."""

from django.db import models

from accounts.models import User
from anomalies.models.anomalies import Anomaly
from anomalies.querysets import IntegrationQuerySet
from orgs.models import Org
from orgs.querysets import OrgQuerySet


class Integration(models.Model):
    """A ticketing system that an org works with."""

    class Type(models.TextChoices):
        JIRA = "jira", "Jira"
        SERVICENOW = "servicenow", "ServiceNow"

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=16, choices=Type)
    url = models.URLField(max_length=2000)
    created = models.DateTimeField(auto_now_add=True)

    objects = IntegrationQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (models.UniqueConstraint(fields=("org", "name"), name="one_integration_per_name"),)

    def __str__(self) -> str:
        return self.name


class TicketLink(models.Model):
    """One ticket of an integration that is about an anomaly."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="ticket_links", db_index=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="ticket_links")
    ticket_id = models.CharField(max_length=200, help_text="What the other system calls it, such as a sys_id.")
    ticket_number = models.CharField(max_length=200, help_text="What people call it, such as INC0010001.")
    ticket_url = models.URLField(max_length=2000, blank=True)
    status = models.CharField(max_length=100)
    ticket_metadata = models.JSONField(default=dict, blank=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)

    objects = OrgQuerySet["TicketLink"].as_manager()

    class Meta:
        ordering = ("pk",)
        # Also the tickets of one anomaly.
        constraints = (models.UniqueConstraint(fields=("anomaly", "integration", "ticket_id"), name="one_link_per_ticket"),)

    def __str__(self) -> str:
        return f"{self.ticket_number} of anomaly {self.anomaly_id}"
