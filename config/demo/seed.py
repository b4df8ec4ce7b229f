"""Makes the demo's orgs, people and secrets, and writes what a newcomer needs into one private file."""

import itertools
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import Level, Role, Team, TeamMember, User
from accounts.tokens import create_personal_token
from config.demo import table
from datastores.models import Datastore, TeamAccess
from datastores.services import create_org
from orgs import tenancy
from orgs.models import IngestKey, Org
from orgs.services import create_ingest_key, create_org_token, create_public_key

DEMO_SLUG, OTHER_SLUG = "northwind", "contoso"


@dataclass(frozen=True)
class Login:
    """A person of the demo as `demo.json` shows them: everything that is needed to act as them."""

    id: int
    name: str
    email: str
    password: str
    role: str
    level: str | None
    personal_token: str


class NotOfTheDemo(Exception):
    """Orgs have the demo's slugs and were not made by it; `str` tells what to do."""


def demo_file() -> Path:
    return settings.PLUMBLINE_HOME / "demo.json"


def seed() -> bool:
    """Makes the demo unless it is there already with its file; True when something was made.

    A database without the file (or the other way round) gets the demo's orgs anew: a secret that nobody knows is of no use. While the
    org of the file is there it stays, whoever of its people has left or has another address. Raises NotOfTheDemo, and changes nothing, when
    an org with one of its slugs was not made by it.
    """
    path = demo_file()
    known = json.loads(path.read_text()) if path.is_file() else None
    if known and _is_there(known):
        _mark(known)
        if "public_key" not in known:  # a demo of an earlier version
            with tenancy.home_of(Org, slug=DEMO_SLUG):
                known["public_key"] = _public_key(Org.objects.get(slug=DEMO_SLUG))
        _write(path, {**known, "url": settings.BASE_URL, "other_org": {**known["other_org"], "url": settings.BASE_URL}})
        return False
    with transaction.atomic():
        _clear()
        demo = _make_org("Northwind", DEMO_SLUG, "Europe/Berlin", "Alice Lee", metric_limit=10_000)
        with tenancy.home_of(Org, slug=DEMO_SLUG):
            demo["operator"] = asdict(_person(Org.objects.get(slug=DEMO_SLUG), "Olga Operator", Role.ADMIN, None, operator=True))
        demo["other_org"] = _make_org("Contoso", OTHER_SLUG, "America/New_York", "Zoe Outsider", metric_limit=1_000)
        _write(path, demo)
    return True


def _clear() -> None:
    """Deletes what an earlier demo made. Raises NotOfTheDemo before anything is deleted."""
    if foreign := [slug for slug in (DEMO_SLUG, OTHER_SLUG) if _is_foreign(slug)]:
        raise NotOfTheDemo(
            f"The demo was not made, and nothing was changed: it needs the names {DEMO_SLUG} and {OTHER_SLUG}, and {' and '.join(foreign)} "
            f"is the name of an org that it did not make. Set PLUMBLINE_DEMO=0 to go without the demo; or, if it is the demo of an earlier "
            f"version or of another machine, put its demo.json back as {demo_file()}."
        )
    for slug in (DEMO_SLUG, OTHER_SLUG):
        with tenancy.home_of(Org, slug=slug):
            Org.objects.filter(slug=slug, is_seeded=True).delete()


def _is_foreign(slug: str) -> bool:
    with tenancy.home_of(Org, slug=slug):
        return bool(Org.objects.filter(slug=slug, is_seeded=False).exists())


def _mark(known: dict[str, Any]) -> None:
    """Marks the orgs of the file as the demo's: an earlier version did not."""
    for org in (known["org"], known["other_org"]["org"]):
        with tenancy.home_of(Org, slug=org["slug"]):
            Org.objects.filter(pk=org["id"], slug=org["slug"], is_seeded=False).update(is_seeded=True)


def _is_there(known: dict[str, Any]) -> bool:
    with tenancy.home_of(Org, slug=DEMO_SLUG):
        return bool(Org.objects.filter(pk=known.get("org", {}).get("id"), slug=DEMO_SLUG).exists())


def _write(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.chmod(0o600)
    part.replace(path)


def _make_org(name: str, slug: str, timezone: str, admin_name: str, *, metric_limit: int) -> dict[str, object]:
    org = create_org(name=name, slug=slug, timezone=timezone, metric_limit=metric_limit)
    with tenancy.within(org.pk):
        return _people_of(org, admin_name)


def _people_of(org: Org, admin_name: str) -> dict[str, object]:
    # Whoever tries the demo has no mailbox at its addresses, so no code could reach them.
    org.validates_clients, org.is_demo, org.is_seeded = False, org.slug == DEMO_SLUG, True
    org.description = "Real series that run on from now, with planted faults." if org.is_demo else ""
    org.save(update_fields=["validates_clients", "is_demo", "is_seeded", "description"])
    datastore = Datastore.objects.get(org=org)
    if org.is_demo:
        inventory = Datastore.objects.create(org=org, name=table.NAME, type=Datastore.Type.FILES)
    admin = _person(org, admin_name, Role.ADMIN, None)
    people = [_person(org, "Bob Patel", Role.MANAGER, Level.EDITOR)]
    people += [_person(org, f"{first} {level.label.title()}", Role.MEMBER, level) for first, level in zip(FIRST_NAMES, Level, strict=True)]
    if org.is_demo:
        table.make_table(inventory)
    return {
        "url": settings.BASE_URL,
        "email": admin.email,
        "password": admin.password,
        "org_token": create_org_token(org, name="demo")[1],
        "ingest_key": create_ingest_key(datastore, name="demo")[1],
        "personal_token": admin.personal_token,
        "id": admin.id,
        "name": admin.name,
        "users": [asdict(person) for person in people],
        "sum_key": create_ingest_key(datastore, name="demo, summed per minute", rule=IngestKey.Rule.SUM)[1],
        "public_key": _public_key(org),
        "org": {"id": org.pk, "name": org.name, "slug": org.slug},
    }


def _public_key(org: Org) -> str:
    """For pages on this machine, on any port, and of an example's hosts."""
    origins = ["http://localhost:*", "http://127.0.0.1:*", "https://*.example.com"]
    return create_public_key(Datastore.objects.get(org=org, type=Datastore.Type.METRICS), name="demo pages", origins=origins)[1]


def _free_address(local: str, org: Org) -> str:
    """The first of alice.lee@, alice.lee-2@ … that nobody has, in whatever org: addresses are unique."""
    addresses = (f"{local}{f'-{number}' if number > 1 else ''}@{org.slug}.example" for number in itertools.count(1))
    return next(address for address in addresses if tenancy.org_of(User, email=address) is None)


FIRST_NAMES = ("Rita", "Victor", "Dana", "Arthur", "Edith")


def _person(org: Org, name: str, role: Role, level: Level | None, *, operator: bool = False) -> Login:
    password = secrets.token_urlsafe(12)
    email = _free_address(name.lower().replace(" ", "."), org)
    user = User.objects.create_user(email, password, name=name, org=org, role=role, is_staff=operator, is_superuser=operator)
    if level is not None:
        _join(user, level)
    scopes = ["read", "write", "admin"] if role == Role.ADMIN else ["read", "write"]
    token = create_personal_token(user, name="demo", scopes=scopes)[1]
    return Login(user.pk, name, email, password, role.value, level.label if level else None, token)


def _join(user: User, level: Level) -> None:
    """Puts a person in the team that has `level` on every datastore of the org."""
    team, made = Team.objects.get_or_create(org=user.org, name=f"{level.label.title()}s")
    TeamMember.objects.create(org=user.org, team=team, user=user)
    if made:
        stores = Datastore.objects.for_org(user.org)
        TeamAccess.objects.bulk_create(TeamAccess(org=user.org, team=team, datastore=store, level=level) for store in stores)
