"""Words that people put on anomalies."""

import re
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from anomalies.querysets import TagQuerySet
from orgs.models import Org

# In addresses and in lists of names: what would end a name there, and the words that are addresses themselves.
NO_NAME: Final = re.compile(r"[/,\x00-\x1f\x7f]|^\.*$|^listing$")


def validate_tag_name(name: str) -> None:
    if NO_NAME.search(name) or name != name.strip():
        raise ValidationError(
            "A name has no comma and no slash, no spaces around it, and is not `listing` or dots alone.", code="invalid_name"
        )


class Tag(models.Model):
    """A word that people put on anomalies; its modifier counts in their weight."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100, validators=[validate_tag_name])
    color = models.CharField(max_length=7, default="#6b747c", validators=[RegexValidator("^#[0-9a-fA-F]{6}$", "Such as #d9480f.")])
    description = models.CharField(max_length=500, blank=True)
    category = models.CharField(max_length=100, blank=True, help_text="A word that groups tags in lists.")
    weight_modifier = models.SmallIntegerField(default=0)

    objects = TagQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(fields=("org", "name"), name="one_tag_per_name"),
            models.CheckConstraint(condition=models.Q(weight_modifier__gte=-10, weight_modifier__lte=10), name="tag_modifier_in_range"),
        )

    def __str__(self) -> str:
        return self.name


class AnomalyTag(models.Model):
    """One tag on one anomaly."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="+", db_index=False)
    anomaly = models.ForeignKey("anomalies.Anomaly", on_delete=models.CASCADE, related_name="+", db_index=False)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "anomalies_anomaly_global_tags"
        constraints = (models.UniqueConstraint(fields=("anomaly", "tag"), name="tagged_once"),)
        # The anomalies that carry a tag.
        indexes = (models.Index(fields=("org", "tag", "anomaly"), name="anomaly_of_tag"),)

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.anomaly_id}"
