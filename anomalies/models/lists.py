"""What lists of anomalies that were read before have to know."""

from django.db import models

from orgs.models import Org


class ListChange(models.Model):
    """One transaction that changed what lists of an org's anomalies show. Triggers write it; it is dropped a day later."""

    # The database's own constraint takes it along with its org: it may be written while the org is being deleted.
    org = models.ForeignKey(Org, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False)
    xid = models.BigIntegerField(help_text="The transaction, by the number that PostgreSQL gives it.")
    at = models.DateTimeField()

    class Meta:
        # Whether there is one that a list does not know of.
        constraints = (models.UniqueConstraint(fields=("org", "xid"), name="list_change_once"),)
        # Those that nobody asks for any more.
        indexes = (models.Index(fields=("at",), name="list_change_age"),)

    def __str__(self) -> str:
        return f"{self.org_id}: {self.xid}"
