"""Who has looked at what is masked."""

from collections.abc import Iterable

from django.utils import timezone

from accounts.models import User
from datastores.models import AuditEntry


def record_unmasking(
    user: User,
    *,
    resource_type: AuditEntry.Resource,
    resource_id: int,
    masked_field_names: Iterable[str],
    endpoint: str,
    ip_address: str,
) -> AuditEntry:
    """One entry, in the caller's transaction: whoever cannot be written down is shown nothing. `ip_address`: "" where there is none."""
    return AuditEntry.objects.create(
        org_id=user.org_id,
        user=user,
        user_email=user.email,
        action=AuditEntry.Action.UNMASK,
        resource_type=resource_type,
        resource_id=resource_id,
        masked_field_names=list(masked_field_names),
        endpoint=endpoint[:200],
        ip_address=ip_address or None,
        created=timezone.now(),
    )
