"""What people say on the page of an anomaly, whom they mention, and which tickets they link."""

from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.pages.readers import is_htmx, reader
from accounts.permissions import is_theirs
from anomalies.models import Anomaly, AnomalyAssignee, Comment, TicketLink
from anomalies.pages.abilities import refusals_of
from anomalies.pages.access import anomaly_for
from anomalies.pages.acts import Done, act, text, words
from anomalies.pages.detail import offered_people
from anomalies.pages.listing import whole
from anomalies.pages.markdown import markdown_of
from anomalies.pages.rows import anomaly_address
from anomalies.services import comment_on, delete_comment, edit_comment
from anomalies.services.tickets import Ticket, link_ticket, unlink_ticket
from config.api.fields import WebAddressField, is_web_address
from datastores.levels import readers_of
from orgs.errors import FieldError, Forbidden, Invalid

MENTIONED_SHOWN: Final = 8
TICKET_LIMITS: Final = {"number": 200, "id": 200, "url": 2000, "status": 100}


@act("comment", form="comment")
def comment(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Says `message`; whoever `@[Name](id)` mentions is told."""
    comment_on(found, user=user, message=text(post, "message").strip())
    return Done("Said.")


@act("comment.update", form="edit")
def change_comment(found: Anomaly, user: User, post: QueryDict, comment_id: int) -> Done:
    edit_comment(own(found, user, comment_id, "comment.update"), user=user, message=text(post, "message").strip())
    return Done("Comment changed.")


@act("comment.delete", form="drop")
def drop_comment(found: Anomaly, user: User, post: QueryDict, comment_id: int) -> Done:
    delete_comment(own(found, user, comment_id, "comment.delete"), user=user)
    return Done("Comment deleted.")


def own(found: Anomaly, user: User, comment_id: int, operation: str) -> Comment:
    """A standing comment on this anomaly. Raises Http404 for no such one, Forbidden for somebody else's."""
    row: Comment = get_object_or_404(Comment.objects.standing().select_related("anomaly").filter(anomaly=found), pk=comment_id)
    if not is_theirs(user, operation, owner_id=row.user_id):
        raise Forbidden("That is somebody else's comment.")
    return row


@act("ticket", form="ticket")
def add_ticket(found: Anomaly, user: User, post: QueryDict) -> Done:
    """Links the ticket `number` of `integration`, with its `url` and `status`; its id is `number` where none is given."""
    said = {name: post.get(name, "").strip() for name in TICKET_LIMITS}
    if errors := ticket_errors(said):
        raise Invalid("The ticket was not linked.", errors=errors)
    ticket = Ticket(said["id"] or said["number"], said["number"], said["status"] or "New", said["url"])
    link_ticket(found, ticket, integration_id=whole(post.get("integration", "")), user=user)
    return Done(f"{said['number']} linked.")


def ticket_errors(said: dict[str, str]) -> list[FieldError]:
    errors = []
    if not said["number"]:
        errors.append(FieldError(("number",), "required", "Give the ticket's number, such as OPS-412."))
    if any(len(said[name]) > limit for name, limit in TICKET_LIMITS.items()) or "\0" in "".join(said.values()):
        errors.append(FieldError(("number",), "too_long", "A number has at most 200 characters, a status 100, an address 2,000."))
    if said["url"] and not is_web_address(said["url"]):
        errors.append(FieldError(("url",), "invalid", str(WebAddressField.default_error_messages["no_address"])))
    return errors


@act("ticket", form="ticket")
def drop_ticket(found: Anomaly, user: User, post: QueryDict, link_id: int) -> Done:
    link: TicketLink = get_object_or_404(found.ticket_links.select_related("anomaly", "integration"), pk=link_id)
    unlink_ticket(link, user=user)
    return Done(f"{link.ticket_number} is no longer linked.")


@require_GET
def people(request: HttpRequest, pk: int) -> HttpResponse:
    """Who may read the anomaly and whose name or address has `q` (or `person`): as JSON to be mentioned, as boxes for htmx."""
    user = reader(request)
    found = anomaly_for(user, pk, "anomaly.read")
    if "comments" in refusals_of(user, found):
        raise PermissionDenied
    if is_htmx(request):
        chosen = frozenset(number for one in request.GET.getlist("assignee") if (number := whole(one)))
        assignees = tuple(link.user for link in AnomalyAssignee.objects.filter(anomaly=found).select_related("user"))
        offered = offered_people(found, assignees, search=words(request.GET.get("person", ""))[:100], chosen=chosen)
        return render(request, "anomalies/_people.html", {"people": offered})
    rows = readers_of(found.org_id, found.datastore_id, search=words(request.GET.get("q", ""))[:100])[:MENTIONED_SHOWN]
    return JsonResponse({"people": [{"id": one.pk, "name": one.name, "email": one.email} for one in rows]})


@require_GET
def markdown(request: HttpRequest, pk: int) -> HttpResponse:
    """The anomaly as Markdown, in plain text."""
    found = anomaly_for(reader(request), pk, "anomaly.read")
    assignees = tuple(link.user for link in AnomalyAssignee.objects.filter(anomaly=found).select_related("user"))
    address = request.build_absolute_uri(anomaly_address(found.pk))
    written = markdown_of(found, address=address, tags=tuple(found.global_tags.order_by("name")), assignees=assignees)
    return HttpResponse(written, content_type="text/markdown; charset=utf-8")
