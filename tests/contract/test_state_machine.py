"""Random calls by people of all levels, against a simple model: each status, each history and what everybody sees, after every call."""

import os
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from accounts.models import Level, Role
from anomalies.models import Anomaly
from anomalies.models import Tag as TagRow
from config.api import throttling
from datastores.models import Datastore
from tests import factories
from tests.api.conftest import ApiClient, client_with
from tests.contract.model import OPEN, REASONS, Person, State, Tag, Wish, World, as_told

pytestmark = pytest.mark.django_db
ANOMALIES = 3
FEW, MANY = (8, 25), (int(os.environ.get("MACHINE_EXAMPLES", "150")), 40)
STATUS = {"archived": 409, "not_archived": 409}
# What a bulk call says instead, of what it has no code for.
BULK = {"not_archived": "invalid", "no_access": "invalid"}


class Machine(RuleBasedStateMachine):
    """One example: its calls are rolled back at its end."""

    people: dict[str, Person]
    clients: dict[str, ApiClient]
    tags: list[Tag]
    homes: dict[int, int]

    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.world = World(self.people, self.homes, {pk: State() for pk in self.homes})
        self.transactions: dict[int, int] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)

    # What is drawn: indexes, so that failing examples stay readable.
    who = st.sampled_from(
        ("editor",) * 3 + ("author",) * 3 + ("admin",) * 2 + ("manager", "drafter", "viewer", "reporter", "stranger", "outsider")
    )
    place = st.integers(0, ANOMALIES - 1)
    some_tags = st.none() | st.sets(st.integers(0, 2))
    some_people = st.none() | st.sets(st.sampled_from(("viewer", "author", "editor", "reporter")), max_size=3)
    words = st.none() | st.sampled_from(("", "Known: marathon.", "Backfill"))
    reason = st.sampled_from(REASONS)

    def pk(self, place: int) -> int:
        return sorted(self.homes)[place]

    def wish_of(self, pk: int, status: Any, words: Any, tags: Any, people: Any) -> tuple[Wish, dict[str, Any]]:
        """The wish, and the body that says it."""
        chosen = None if tags is None else tuple(self.tags[one] for one in sorted(tags))
        assigned = None if people is None else tuple(self.people[one] for one in sorted(people))
        body = {
            "status": status,
            "description": words,
            "tags": chosen and [one.name for one in chosen] if chosen else (None if tags is None else []),
            "assignee_ids": None if assigned is None else [one.id for one in assigned],
        }
        return Wish(pk, status, words, chosen, assigned), {name: value for name, value in body.items() if value is not None}

    def check_single(self, answer: Any, who: str, wish: Wish, *, level: Level, done: int, describes: bool = False) -> None:
        """The status that the model promises; and if it is done, the model does it as well."""
        person = self.people[who]
        expected = self.world.answers(person, wish.pk, level=level)
        if expected == 200 and describes:
            expected = self.world.answers(person, wish.pk, level=Level.EDITOR)
        if expected == 200:
            refused = self.world.refusals(person, wish)
            expected = STATUS.get(refused[0], 422) if refused else done
        assert answer.status_code == expected, (answer.status_code, expected, answer.content)
        if expected == done:
            self.world.do(person, [wish])
        self.look(wish.pk, who)

    @rule(who=who, place=place, status=st.none() | st.sampled_from(OPEN), words=words, tags=some_tags, people=some_people)
    def change(self, who: str, place: int, status: Any, words: Any, tags: Any, people: Any) -> None:
        wish, body = self.wish_of(self.pk(place), status, words, tags, people)
        answer = self.clients[who].put(f"/api/anomalies/{wish.pk}", body)
        self.check_single(answer, who, wish, level=Level.AUTHOR, done=200, describes=words is not None)

    @rule(who=who, place=place, status=reason, comment=st.sampled_from(("", "Done.")))
    def archive(self, who: str, place: int, status: str, comment: str) -> None:
        wish = Wish(self.pk(place), status=status, comment=comment)
        answer = self.clients[who].delete(f"/api/anomalies/{wish.pk}?status={status}", {"comment": comment} if comment else None)
        self.check_single(answer, who, wish, level=Level.AUTHOR, done=204)

    @rule(who=who, place=place)
    def delete_for_good(self, who: str, place: int) -> None:
        wish = Wish(self.pk(place), remove=True)
        answer = self.clients[who].delete(f"/api/anomalies/{wish.pk}?archive=false")
        self.check_single(answer, who, wish, level=Level.AUTHOR, done=204)

    @rule(who=who, place=place)
    def restore(self, who: str, place: int) -> None:
        pk = self.pk(place)
        answer = self.clients[who].post(f"/api/anomalies/{pk}/restore")
        is_open = self.world.answers(self.people[who], pk, level=Level.AUTHOR) == 200 and not self.world.states[pk].is_archived
        if is_open:
            assert answer.status_code == 409, answer.content
            return self.look(pk, who)
        return self.check_single(answer, who, Wish(pk, status="Acknowledged"), level=Level.AUTHOR, done=200)

    @rule(who=who, place=place, other=place)
    def mark_duplicate(self, who: str, place: int, other: int) -> None:
        wish = Wish(self.pk(place), status="Duplicate", original=self.pk(other))
        answer = self.clients[who].post(f"/api/anomalies/{wish.pk}/duplicate-of", {"anomaly": wish.original})
        self.check_single(answer, who, wish, level=Level.AUTHOR, done=200)

    @rule(who=who, place=place)
    def unmark_duplicate(self, who: str, place: int) -> None:
        pk = self.pk(place)
        answer = self.clients[who].delete(f"/api/anomalies/{pk}/duplicate-of")
        if self.world.answers(self.people[who], pk, level=Level.AUTHOR) == 200 and self.world.states[pk].duplicate_of is None:
            assert answer.status_code == 409, answer.content
            return self.look(pk, who)
        return self.check_single(answer, who, Wish(pk, status="Acknowledged"), level=Level.AUTHOR, done=204)

    @rule(who=who, place=place, count=st.integers(1, 3))
    def snooze(self, who: str, place: int, count: int) -> None:
        wish = Wish(self.pk(place), snooze=count)
        self.check_single(
            self.clients[who].post(f"/api/anomalies/{wish.pk}/snooze", {"count": count}), who, wish, level=Level.AUTHOR, done=200
        )

    @rule(who=who, place=place)
    def wake(self, who: str, place: int) -> None:
        wish = Wish(self.pk(place), wake=True)
        self.check_single(self.clients[who].delete(f"/api/anomalies/{wish.pk}/snooze"), who, wish, level=Level.AUTHOR, done=204)

    @rule(who=who, place=place)
    def comment(self, who: str, place: int) -> None:
        wish = Wish(self.pk(place), comment="Seen before.")
        answer = self.clients[who].post(f"/api/anomalies/{wish.pk}/comments", {"message": wish.comment})
        self.check_single(answer, who, wish, level=Level.VIEWER, done=201)

    @rule(
        who=who,
        entries=st.lists(st.tuples(place, st.none() | st.sampled_from(OPEN), words, some_tags, some_people), min_size=1, max_size=3),
    )
    def change_many(self, who: str, entries: list[tuple[Any, ...]]) -> None:
        made = [self.wish_of(self.pk(place), *parts) for place, *parts in entries]
        answer = self.clients[who].patch("/api/anomalies", [{"id": wish.pk, **body} for wish, body in made])
        self.check_many(answer, who, [wish for wish, _ in made], done=200)

    @rule(who=who, entries=st.lists(st.tuples(place, st.none() | reason), min_size=1, max_size=3))
    def end_many(self, who: str, entries: list[tuple[int, str | None]]) -> None:
        """None deletes for good."""
        wishes = [Wish(self.pk(place), status=status, remove=status is None) for place, status in entries]
        body = [{"id": wish.pk, **({"archive": False} if wish.remove else {"status": wish.status})} for wish in wishes]
        self.check_many(self.clients[who].delete("/api/anomalies", body), who, wishes, done=204)

    def check_many(self, answer: Any, who: str, wishes: list[Wish], *, done: int) -> None:
        """All of it or nothing, with the code of each entry that cannot be done."""
        expected = {(place, code) for place, wish in enumerate(wishes) for code in self.codes(who, wishes, place)}
        if not expected:
            assert answer.status_code == done, answer.content
            self.world.do(self.people[who], wishes)
        else:
            assert answer.status_code == 422, answer.content
            assert {(error["loc"][1], error["code"]) for error in answer.json()["errors"]} == expected
        for wish in wishes:
            self.look(wish.pk, who)

    def codes(self, who: str, wishes: list[Wish], place: int) -> set[str]:
        person, wish = self.people[who], wishes[place]
        status = self.world.answers(person, wish.pk, level=Level.AUTHOR)
        if status == 404:
            return {"not_found"}
        if wish.pk in {one.pk for one in wishes[:place]}:
            return {"duplicate_id"}
        if status == 403 or (wish.description is not None and self.world.answers(person, wish.pk, level=Level.EDITOR) == 403):
            return {"forbidden"}
        return {BULK.get(code, code) for code in self.world.refusals(person, wish)}

    def look(self, pk: int, who: str) -> None:
        """Everything is as the model says: what this person sees, how the anomaly stands, and its history."""
        person = self.people[who]
        shown = self.clients[who].get("/api/anomalies").json()["items"]
        assert {one["id"] for one in shown} == self.world.listed(person)
        everything = self.clients[who].get("/api/anomalies?archived=include&snoozed=include").json()["items"]
        assert {one["id"] for one in everything} == self.world.visible(person)
        for one in everything:
            self.compare(one, person)
        self.compare_history(pk)

    def compare(self, shown: dict[str, Any], person: Person) -> None:
        state = self.world.states[shown["id"]]
        assert (shown["status"], shown["archived"]) == (state.status, state.is_archived)
        assert (shown["description"], shown["weight"]) == (state.description, state.weight)
        assert {one["id"] for one in shown["global_tags"]} == {one.id for one in state.tags}
        assert {one["id"] for one in shown["assignees"]} == {one.id for one in state.assignees}
        assert (shown["duplicate_of"] and shown["duplicate_of"]["id"]) == self.world.original(person, shown["id"])
        assert [one["id"] for one in shown["duplicates"]] == self.world.duplicates(person, shown["id"])
        assert (shown["snooze"] and shown["snooze"]["count"]) == state.snooze

    def compare_history(self, pk: int) -> None:
        """Newest first; what one call did stands under one number, and under no other."""
        told = self.clients["admin"].get(f"/api/anomalies/{pk}/history?include_deleted=true&size=100").json()
        lines = self.world.history.get(pk, [])
        assert [(one["user"]["id"], as_told(one["changeset"])) for one in told] == [(line.user, line.changeset) for line in lines[::-1]]
        for one, line in zip(told, reversed(lines), strict=True):
            assert self.transactions.setdefault(one["transaction_id"], line.call) == line.call


@pytest.fixture
def machine(org, datastore, cast, settings, monkeypatch) -> type[Machine]:
    """Two datastores: the cast has its levels on one; on the other the editor reads, and nobody else but Admins sees it."""
    settings.API_RATE_PER_MINUTE, settings.API_BURST = 6_000_000, 600_000
    monkeypatch.setattr(throttling, "buckets", throttling._Buckets())
    second = Datastore.objects.create(org=org, name="Second", type=datastore.type)
    factories.grant(cast["editor"], second, Level.VIEWER)
    levels: dict[str, dict[int, Level]] = {
        name: {datastore.pk: Level[name.upper()]} for name in ("reporter", "viewer", "drafter", "author", "editor")
    }
    levels |= {"manager": {datastore.pk: Level.EDITOR}}
    levels["editor"][second.pk] = Level.VIEWER
    people = {
        name: Person(user.pk, user.name, levels.get(name, {}), is_admin=user.role == Role.ADMIN, is_of_the_org=name != "outsider")
        for name, user in cast.items()
    }
    homes = {}
    for number in range(ANOMALIES):
        home = datastore if number < ANOMALIES - 1 else second
        metric = factories.make_metric(home, f"m{number}")
        homes[factories.make_anomaly(metric, weight=5).pk] = home.pk
    tags = [
        Tag(TagRow.objects.create(org=org, name=name, weight_modifier=points).pk, name, points)
        for name, points in (("High", 5), ("Impact", 3), ("Plain", 0))
    ]
    clients = {name: client_with(factories.make_personal_token(user)) for name, user in cast.items()}
    assert Anomaly.objects.count() == ANOMALIES
    return type("Machine", (Machine,), {"people": people, "clients": clients, "tags": tags, "homes": homes})


@pytest.mark.parametrize(("examples", "steps"), [FEW, pytest.param(*MANY, marks=pytest.mark.long)])
def test_random_calls_do_what_a_simple_model_says(machine, examples, steps):
    bounded = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if examples > FEW[0] else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(20261122)(machine), settings=bounded)
