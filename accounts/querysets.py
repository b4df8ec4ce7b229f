from typing import TYPE_CHECKING, Any, Self

from orgs.querysets import OrgQuerySet, SecretQuerySet

if TYPE_CHECKING:
    from accounts.models import PersonalToken, Team, User  # noqa: F401 - the generics' arguments


class UserQuerySet(OrgQuerySet["User"]):
    def people(self) -> Self:
        """Without the service accounts."""
        return self.filter(is_service=False)

    def services(self) -> Self:
        return self.filter(is_service=True)

    def visible_to(self, caller: Any, *, level: int = 0) -> Self:
        """Everybody of the caller's org; levels on datastores play no part."""
        return self.for_org(caller.org_id)

    def deciding_admins(self) -> Self:
        """The people who can administer the org: of these one must stay."""
        return self.people().filter(role="admin", is_active=True, is_demo=False)


class TeamQuerySet(OrgQuerySet["Team"]):
    def visible_to(self, caller: Any, *, level: int = 0) -> Self:
        """Every team of the caller's org; levels on datastores play no part."""
        return self.for_org(caller.org_id)


class TokenQuerySet(SecretQuerySet["PersonalToken"]):
    def visible_to(self, caller: Any, *, level: int = 0) -> Self:
        """The caller's own tokens; an Admin sees everybody's, and those of service accounts."""
        mine = self.for_org(caller.org_id)
        return mine if caller.is_admin else mine.filter(user=caller.pk)
