"""Who calls: a person (`User`), or an org token, which stands for no person."""

from dataclasses import dataclass
from typing import ClassVar

from accounts.models import User
from orgs.models import Org


@dataclass(frozen=True)
class OrgCaller:
    """An org token: reads the whole org up to the level Viewer, and writes only what the permission table lets it."""

    org: Org
    token_id: int

    is_admin: ClassVar[bool] = False
    is_demo: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    pk: ClassVar[None] = None

    @property
    def org_id(self) -> int:
        return self.org.pk


Caller = User | OrgCaller
