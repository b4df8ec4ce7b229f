"""Teams, who is in them, and what each may do on which datastore."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django import forms
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts.models import Level, Team, User
from accounts.pages.settings import Done, SettingsView
from accounts.teams import set_members
from datastores.models import Datastore, TeamAccess
from datastores.teams import Grant, create_team, delete_team, rename_team, set_access

LEVELS: Final = tuple((level.value, level.label) for level in Level)
LEVEL_WORDS: Final = (
    ("reporter", "sees anomalies and series"),
    ("viewer", "as well history, comments and rows behind an anomaly"),
    ("drafter", "as well writes drafts of checks"),
    ("author", "as well changes anomalies and checks"),
    ("editor", "as well describes anomalies, imports, makes ingest keys and gives levels"),
)


@dataclass(frozen=True)
class Cell:
    """What a team may do on one datastore: `level` 0 for nothing. `may_change` is whether the reader may change it."""

    name: str
    datastore: Datastore
    level: int
    may_change: bool


@dataclass(frozen=True)
class Row:
    team: Team
    members: int
    cells: tuple[Cell, ...]

    @property
    def levels(self) -> set[tuple[int, int]]:
        return {(cell.datastore.pk, cell.level) for cell in self.cells if cell.level}


class TeamForm(forms.Form):
    name = forms.CharField(label="Name", max_length=200)


class MembersForm(forms.Form):
    members = forms.TypedMultipleChoiceField(label="Members", coerce=int, required=False, widget=forms.CheckboxSelectMultiple)


def teams_of(org_id: int) -> QuerySet[Team]:
    """The Public team first, then by name, with `members_count`."""
    return Team.objects.for_org(org_id).annotate(members_count=Count("members")).order_by("-is_public", "name", "pk")


def matrix(person: User, teams: Sequence[Team]) -> tuple[Row, ...]:
    """One row per team, one cell per datastore that the person sees. Three queries."""
    seen = list(Datastore.objects.visible_to(person))
    editable = set(Datastore.objects.visible_to(person, level=Level.EDITOR).values_list("pk", flat=True))
    levels = {(one.team_id, one.datastore_id): one.level for one in TeamAccess.objects.filter(team__in=teams, datastore__in=seen)}
    return tuple(
        Row(
            team,
            getattr(team, "members_count", 0),
            tuple(Cell(f"level-{team.pk}-{one.pk}", one, levels.get((team.pk, one.pk), 0), one.pk in editable) for one in seen),
        )
        for team in teams
    )


def grants(row: Row, posted: Mapping[str, str]) -> list[Grant]:
    """The levels of a team as the form says them; a cell that the form did not send stays as it is."""
    said = {cell: posted.get(cell.name, str(cell.level)) for cell in row.cells}
    known = {str(level.value) for level in Level}
    return [Grant(cell.datastore.pk, Level(int(text))) for cell, text in said.items() if text in known]


class TeamsView(SettingsView, ABC):
    """What the list and the page of one team share: the levels."""

    @abstractmethod
    def rows(self) -> tuple[Row, ...]:
        """The teams of the page, with their levels."""

    @transaction.atomic
    def levels(self, said: Mapping[str, Any]) -> Done:
        changed = 0
        for row in self.rows():
            wanted = grants(row, self.request.POST.dict())
            if {(grant.datastore_id, int(grant.level)) for grant in wanted} != row.levels:
                set_access(row.team, wanted, actor=self.person)
                changed += 1
        return Done(f"The levels of {changed} team{'' if changed == 1 else 's'} changed." if changed else "Nothing was different.")

    def may_grant(self, rows: Sequence[Row]) -> bool:
        return self.may("levels") and any(cell.may_change for row in rows for cell in row.cells)


class Teams(TeamsView):
    title, part, place, operation = "Teams", "datastores/_teams.html", "settings-teams", "team.read"
    changes: ClassVar = {"make": "team.manage", "levels": "team.grant"}
    form_classes: ClassVar = {"make": TeamForm}

    def rows(self) -> tuple[Row, ...]:
        return matrix(self.person, list(teams_of(self.person.org_id)))

    def context(self) -> Mapping[str, Any]:
        rows = self.rows()
        everybody = User.objects.for_org(self.person.org_id).count()
        return {
            "rows": rows, "datastores": [cell.datastore for cell in rows[0].cells], "levels": LEVELS, "level_words": LEVEL_WORDS,
            "may_grant": self.may_grant(rows), "everybody": everybody,
        }  # fmt: skip

    def make(self, said: Mapping[str, Any]) -> Done:
        team = create_team(self.person.org_id, name=said["name"], members=(), access=(), actor=self.person)
        return Done(f"Team {team.name} was made. Open it to say who is in it.")


class TeamView(TeamsView):
    """One team: its name, its members, its levels."""

    part, place, operation = "datastores/_team.html", "settings-team", "team.read"
    changes: ClassVar = {"rename": "team.manage", "members": "team.manage", "levels": "team.grant", "remove": "team.manage"}
    form_classes: ClassVar = {"rename": TeamForm, "members": MembersForm}

    def dispatch(self, request: HttpRequest, *args: Any, pk: int, **kwargs: Any) -> HttpResponseBase:
        self.pk = pk
        return super().dispatch(request, *args, **kwargs)

    @property
    def title(self) -> str:  # type: ignore[override]  # of this team
        return f"Team {self.team.name}"

    @property
    def team(self) -> Team:
        found = teams_of(self.person.org_id).filter(pk=self.pk).first()
        if found is None:
            raise Http404
        return found

    def rows(self) -> tuple[Row, ...]:
        return matrix(self.person, [self.team])

    def form(self, do: str, data: Any = None) -> forms.Form:
        form = super().form(do, data)
        if do == "members":
            people = User.objects.for_org(self.person.org_id).order_by("name", "pk")
            form.fields["members"].choices = [(one.pk, f"{one.name} (service account)" if one.is_service else one.name) for one in people]  # type: ignore[attr-defined]
        return form

    def initial(self, do: str) -> Mapping[str, Any]:
        team = self.team
        return {"name": team.name} if do == "rename" else {"members": list(team.members.values_list("pk", flat=True))}

    def context(self) -> Mapping[str, Any]:
        rows = self.rows()
        return {"team": rows[0].team, "row": rows[0], "levels": LEVELS, "level_words": LEVEL_WORDS, "may_grant": self.may_grant(rows)}

    def rename(self, said: Mapping[str, Any]) -> Done:
        rename_team(self.team, said["name"], actor=self.person)
        return Done("Renamed.")

    def members(self, said: Mapping[str, Any]) -> Done:
        set_members(self.team, said["members"], actor_id=self.person.pk)
        return Done("Saved.")

    def remove(self, said: Mapping[str, Any]) -> Done:
        team = self.team
        delete_team(team, actor=self.person)
        return Done(f"Team {team.name} was deleted.", leads_to=reverse("settings-teams"))
