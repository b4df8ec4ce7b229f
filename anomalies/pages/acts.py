"""What is done on the page of an anomaly: each act is one form, whose answer is the anomaly as it then is, or why it is not.

A refused form comes back open, with what was typed into it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.pages.readers import is_htmx, reader
from accounts.zones import zone_of
from anomalies.models import Anomaly, AnomalyAssignee, Tag
from anomalies.pages.abilities import ACTS
from anomalies.pages.access import anomaly_for
from anomalies.pages.detail import Refused, detail_of, page_response
from anomalies.pages.listing import whole
from anomalies.pages.rows import anomaly_address
from anomalies.services import Edit, Snooze, edit_anomaly
from anomalies.services.following import set_watch
from anomalies.services.tags import create_tag
from anomalies.services.undo import take_back
from datastores.levels import may_at_all, readers_of
from orgs.errors import DomainError, FieldError, Forbidden, Invalid, StaleState, StaleVersion

LOOK_AGAIN: Final = (
    "The anomaly was changed since this page was made. Nothing was done; look at it again, and send it once more if it still fits."
)
# What a form without a readable version was made from: no anomaly was last changed then.
NO_VERSION: Final = datetime(1, 1, 2, tzinfo=UTC)
PRESETS: Final = {"1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1), "7d": timedelta(days=7)}


@dataclass(frozen=True)
class Done:
    """What was done, in words; under which transaction, where it can be undone; `gone` when there is no anomaly any more."""

    said: str
    transaction_id: int | None = None
    gone: bool = False


# What is beyond the three comes from the address.
Act = Callable[..., Done]


def act(word: str, *, form: str) -> Callable[[Act], Callable[..., HttpResponse]]:
    """A view of an act. `word` is one of ACTS, which says what it needs; `form` names the form that sends it."""
    operation = ACTS[word][0] if word in ACTS else word

    def decorate(do: Act) -> Callable[..., HttpResponse]:
        @require_POST
        @wraps(do)
        def view(request: HttpRequest, pk: int, **parts: Any) -> HttpResponse:
            user = reader(request)
            found = anomaly_for(user, pk, operation)
            try:
                with transaction.atomic():
                    done = do(found, user, request.POST, **parts)
            except DomainError as refused:
                return said_no(request, found, user, Refused(form, words_of(refused), typed_in(request.POST), parts.get("comment_id")))
            return answered(request, found, user, done)

        return view

    return decorate


def words_of(refused: DomainError) -> str:
    if isinstance(refused, StaleState | StaleVersion):
        return LOOK_AGAIN
    return " ".join(error.msg for error in refused.errors) or refused.detail


def typed_in(post: QueryDict) -> dict[str, str]:
    return {name: post.get(name, "") for name in post if name not in ("csrfmiddlewaretoken", "version", "was")}


def said_no(request: HttpRequest, found: Anomaly, user: User, refused: Refused) -> HttpResponse:
    fresh = anomaly_for(user, found.pk, "anomaly.read")
    if not is_htmx(request):
        return page_response(request, fresh, user, refused=refused, said=refused.said, status=409)
    return parts_of_page(request, fresh, user, said=refused.said, refused=refused)


def answered(request: HttpRequest, found: Anomaly, user: User, done: Done) -> HttpResponse:
    if done.gone:
        messages.success(request, done.said)
        address = f"{reverse('inbox')}?{QueryDict(request.POST.get('list', '')).urlencode()}"
        return leave_for(request, address)
    if is_htmx(request):
        return parts_of_page(request, anomaly_for(user, found.pk, "anomaly.read"), user, said=done.said, undo=done.transaction_id)
    messages.success(request, done.said)
    return HttpResponseRedirect(anomaly_address(found.pk, request.POST.get("list", "")))


def leave_for(request: HttpRequest, address: str) -> HttpResponse:
    if is_htmx(request):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def parts_of_page(
    request: HttpRequest, found: Anomaly, user: User, *, said: str, refused: Refused | None = None, undo: int | None = None
) -> HttpResponse:
    detail = detail_of(request, found, user, now=timezone.now(), refused=refused)
    context = {"detail": detail, "anomaly": found, "no": detail.no, "said": said, "is_error": refused is not None, "undo": undo}
    return render(request, "anomalies/_changed.html", context)


def version_of(sent: str) -> datetime:
    """The time with its zone that `sent` says; NO_VERSION when it says none."""
    try:
        version = parse_datetime(sent.replace(" ", "+"))
        return NO_VERSION if version is None or version.tzinfo is None else version.astimezone(UTC)
    except (ValueError, OverflowError):
        return NO_VERSION


def edited(found: Anomaly, user: User, said: str, **parts: Any) -> Done:
    """One edit of it. `version` is the one that its form was made from."""
    seen = {"updated": parts.pop("version")} if "version" in parts else {}
    outcome = edit_anomaly(found, Edit(anomaly_id=found.pk, seen=seen, **parts), user=user)
    return Done(said if outcome.changed else "Nothing was changed: it was so already.", outcome.transaction_id)


@act("anomaly.update", form="status")
def change_status(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Sets `status`: Active or Acknowledged; an archived anomaly is restored by it. `was`, if sent, must still be its status."""
    status = post.get("status", "")
    if status not in Anomaly.OPEN:
        msg = f"Use {' or '.join(Anomaly.OPEN)}. Everything else is archiving."
        raise Invalid("The anomaly was not changed.", errors=[FieldError(("status",), "invalid_choice", msg)])
    if post.get("was", found.status) != found.status:
        raise StaleState(LOOK_AGAIN)
    seen = {"status": found.status}
    outcome = edit_anomaly(found, Edit(anomaly_id=found.pk, status=status, seen=seen), user=user)
    restored = seen["status"] in Anomaly.ARCHIVED
    return Done("Restored." if restored else f"{found.status}.", outcome.transaction_id)


@act("describe", form="describe")
def describe(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Sets `description`, if the anomaly is still in the `version` that the form was made from."""
    version = version_of(post.get("version", ""))
    return edited(found, user, "Description saved.", description=text(post, "description"), version=version)


def text(post: QueryDict, name: str) -> str:
    """What was typed, with the line ends of everybody else but forms."""
    return post.get(name, "").replace("\r\n", "\n")


def words(sent: str) -> str:
    """A name as it can be looked for: no keyboard types what the database cannot take."""
    return sent.replace("\0", "").strip()


@act("change", form="assign")
def assign(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Assigns everybody in `assignee`, and takes off whoever is in `listed` without being there. `me` assigns the reader alone."""
    if "me" in post:
        return edited(found, user, "Assigned to you.", assignees_add=(user.pk,))
    wanted = {number for one in post.getlist("assignee") if (number := whole(one))}
    listed = {number for one in post.getlist("listed") if (number := whole(one))}
    wanted |= named(found, words(post.get("person", "")))
    now = set(AnomalyAssignee.objects.filter(anomaly=found).values_list("user", flat=True))
    return edited(found, user, "Assigned.", assignees_add=sorted(wanted - now), assignees_remove=sorted(now & listed - wanted))


def named(found: Anomaly, person: str) -> set[int]:
    """The one whose name or address `person` is; empty for no text. Raises Invalid when there is none or more than one."""
    if not person:
        return set()
    people = list(readers_of(found.org_id, found.datastore_id, search=person)[:6])
    exact = [one for one in people if person.casefold() in (one.name.casefold(), one.email.casefold())]
    if len(chosen := exact or people) == 1:
        return {chosen[0].pk}
    names = ", ".join(one.name for one in people[:5])
    msg = f"Which one: {names}?" if people else f"Nobody called “{person}” may see this anomaly."
    raise Invalid("Nobody was assigned.", errors=[FieldError(("person",), "not_found", msg)])


@act("change", form="tag")
def tag(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Puts on every tag in `tag`, and takes off what is in `listed` without being there; makes the tag `new` first, if one is named."""
    wanted, listed = (set(filter(None, map(words, post.getlist(name)))) for name in ("tag", "listed"))
    if name := words(post.get("new", "")):
        made(found, user, name, post.get("color", ""))
        wanted.add(name)
    now = set(found.global_tags.values_list("name", flat=True))
    return edited(found, user, "Tagged.", tags_add=sorted(wanted - now), tags_remove=sorted(now & listed - wanted))


def made(found: Anomaly, user: User, name: str, color: str) -> None:
    """The tag of this name, made if there is none."""
    if Tag.objects.for_org(found.org_id).filter(name=name).exists():
        return
    if not may_at_all(user, "tag.manage"):
        raise Forbidden("There is no such tag, and making one needs the role Manager, or Editor on a datastore.")
    fields = {"name": name, **({"color": color} if color else {})}
    try:
        Tag(org_id=found.org_id, **fields).clean_fields(exclude=("org",))
    except ValidationError as exc:
        errors = [FieldError((field,), "invalid", message) for field, said in exc.message_dict.items() for message in said]
        raise Invalid("The tag was not made.", errors=errors) from exc
    create_tag(found.org_id, **fields)


@act("snooze", form="snooze")
def snooze(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Lets it sleep as `how` says: one of PRESETS, `until` a time in the reader's zone, `count`, `weight`, or `band`."""
    return edited(found, user, "Snoozed.", snooze=snooze_of(post, user))


def snooze_of(post: QueryDict, user: User) -> Snooze:
    """Raises Invalid for a form that says none, or no readable one."""
    how = post.get("how", "")
    if how in PRESETS:
        return Snooze(until=timezone.now() + PRESETS[how])
    if how == "band":
        return Snooze(back_in_band=True)
    if how == "until" and (until := local_time(post.get("until", ""), user)):
        return Snooze(until=until)
    if how in ("count", "weight") and (number := post.get(how, "").strip()).isdecimal() and len(number) < 9:
        return Snooze(count=int(number)) if how == "count" else Snooze(weight=int(number))
    errors = {
        "until": "Choose a day and a time.",
        "count": "Say how many, as a whole number.",
        "weight": "Say how much, as a whole number.",
    }
    raise Invalid("Nothing was snoozed.", errors=[FieldError((how,), "invalid", errors.get(how, "Choose how long it shall sleep."))])


def local_time(sent: str, user: User) -> datetime | None:
    try:
        found = parse_datetime(sent)
        return None if found is None else (found if found.tzinfo else found.replace(tzinfo=zone_of(user))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@act("anomaly.snooze", form="wake")
def wake(found: Anomaly, user: User, post: QueryDict) -> Done:
    return edited(found, user, "Awake again.", wake=True)


@act("archive", form="archive")
def archive(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Archives it for the reason in `status`, with `comment`, and with `duplicate_of` as a duplicate of that one; in `version` alone."""
    status = post.get("status", "")
    if status not in Anomaly.ARCHIVED:
        msg = f"Choose why: {', '.join(Anomaly.ARCHIVED)}."
        raise Invalid("The anomaly was not archived.", errors=[FieldError(("status",), "invalid_choice", msg)])
    original = original_of(post.get("duplicate_of", ""), user) if status == Anomaly.Status.DUPLICATE else None
    version = version_of(post.get("version", ""))
    parts: dict[str, Any] = {"status": status, "duplicate_of": original, "comment": text(post, "comment").strip(), "version": version}
    return edited(found, user, f"Archived as {status}.", **parts)


def original_of(sent: str, user: User) -> int | None:
    """The anomaly that a number, "#12" or the address of a page names, None for none. Raises Invalid for one that the user cannot see."""
    named = sent.strip().partition("?")[0].rstrip("/").rpartition("/")[2].removeprefix("#")
    if not named:
        return None
    if not Anomaly.objects.visible_to(user).filter(pk=whole(named)).exists():
        msg = f"There is no anomaly {sent.strip()[:80]}. Give its number, such as #12."
        raise Invalid("The anomaly was not archived.", errors=[FieldError(("duplicate_of",), "not_found", msg)])
    return whole(named)


@act("restore", form="restore")
def restore(found: Anomaly, user: User, post: QueryDict) -> Done:
    return edited(found, user, "Restored.", status=Anomaly.Status.ACKNOWLEDGED)


@act("archive", form="remove")
def remove(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Deletes the archived anomaly for good, when `sure` says so; in `version` alone."""
    if not post.get("sure"):
        raise Invalid("Nothing was deleted.", errors=[FieldError(("sure",), "required", "Tick that you are sure: nothing brings it back.")])
    edited(found, user, "", remove=True, version=version_of(post.get("version", "")))
    return Done(f"#{found.pk} was deleted for good. Its history stays, for editors.", gone=True)


@act("anomaly.update", form="undo")
def undo(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Takes back `transaction`, the reader's own last change."""
    take_back(found, whole(post.get("transaction", "")), user=user)
    return Done("Undone.")


@act("watch", form="watch")
def watch(found: Anomaly, user: User, post: QueryDict) -> Done:
    """`on` follows it, anything else ends that."""
    row = set_watch(found, user=user, is_on=post.get("watch") == "on")
    return Done("You watch it: its changes are told to you." if row.is_on else "You no longer watch it.")
