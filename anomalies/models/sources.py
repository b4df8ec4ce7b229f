"""Rows of the source that are kept with an anomaly, as they were when it was found."""

from django.db import models

from anomalies.models.anomalies import Anomaly
from orgs.models import Org


class SourceTable(models.Model):
    """What is kept of the source of one anomaly: which fields its rows have, and how many of them are kept."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    anomaly = models.OneToOneField(Anomaly, primary_key=True, on_delete=models.CASCADE, related_name="source_table")
    fields = models.JSONField(help_text="[{name, type, masked, anomalous}], in the order of the columns.")
    total = models.PositiveIntegerField(help_text="Rows that are kept.")
    created = models.DateTimeField()

    class Meta:
        verbose_name = "kept rows"
        verbose_name_plural = "kept rows"

    def __str__(self) -> str:
        return f"{self.total} rows of anomaly {self.anomaly_id}"


class SourceRow(models.Model):
    """One row of the source. The values of masked fields are sealed: neither a dump of the database nor an operator reads them."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+", db_index=False)
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="source_rows", db_index=False)
    place = models.PositiveIntegerField()
    values = models.JSONField(help_text="In the order of the fields; null for masked ones.")
    sealed = models.BinaryField(null=True, editable=False, help_text="The values of masked fields, in their order.")

    class Meta:
        ordering = ("anomaly", "place")
        # The rows of one anomaly, in order.
        constraints = (models.UniqueConstraint(fields=("anomaly", "place"), name="one_row_per_place"),)

    def __str__(self) -> str:
        return f"row {self.place} of anomaly {self.anomaly_id}"
