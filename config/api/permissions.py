"""May this caller do this operation at all? Levels on datastores are the base viewset's part."""

from typing import TYPE_CHECKING

from rest_framework import exceptions, permissions
from rest_framework.request import Request

from accounts.models import PersonalToken
from accounts.permissions import HELD_BACK, PERMISSIONS, has_scope, is_held_back
from datastores.levels import may_at_all

if TYPE_CHECKING:
    from rest_framework.views import APIView


class OperationPermission(permissions.BasePermission):
    """Reads the view's operation in the permission table. A method that the view does not declare is 405, whoever asks."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        operation = getattr(view, "operation", None)
        if operation is None:
            raise exceptions.MethodNotAllowed(request.method or "")
        if not request.user.is_authenticated:
            raise exceptions.NotAuthenticated("Send a token in the Authorization header, or log in.")
        self._check_scope(request, operation)
        if is_held_back(request.user, operation):
            raise exceptions.PermissionDenied(HELD_BACK)
        if not may_at_all(request.user, operation):
            raise exceptions.PermissionDenied(refusal(operation))
        return True

    def _check_scope(self, request: Request, operation: str) -> None:
        if isinstance(request.auth, PersonalToken) and not has_scope(request.auth.scopes, operation):
            raise exceptions.PermissionDenied(f"This token lacks the scope `{PERMISSIONS[operation].scope}`.")


def refusal(operation: str) -> str:
    need = PERMISSIONS[operation]
    instead = f", or the level {need.or_level.label} on a datastore," if need.or_level is not None else ""
    return f"This needs the role {need.role.label}{instead} and a caller who may do `{operation}`."
