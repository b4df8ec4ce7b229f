"""This app's routes, by interface; `config/urls.py` puts them together."""

from typing import Any

from django.urls import URLPattern, URLResolver, path

from accounts.api.people import ServiceAccountViewSet, UserViewSet
from accounts.api.tokens import TokenViewSet
from accounts.pages import letters, look, passkeys, profile, security, tokens
from accounts.pages import login as login_pages
from accounts.session_api import login, org, user
from config.api.session import routes

CHANGES: dict[str, Any] = {"get": "retrieve", "put": "update", "delete": "destroy"}

api: list[URLPattern | URLResolver] = [  # under /api/
    path("users", UserViewSet.as_view({"get": "list"})),
    path("users/me", UserViewSet.as_view({"get": "me", "put": "change_me"})),
    path("users/<str:id>", UserViewSet.as_view(CHANGES)),
    path("service-accounts", ServiceAccountViewSet.as_view({"get": "list", "post": "create"})),
    path("service-accounts/<str:id>", ServiceAccountViewSet.as_view(CHANGES)),
    path("service-accounts/<str:id>/tokens", ServiceAccountViewSet.as_view({"get": "tokens", "post": "create_token"})),
    path("user-tokens", TokenViewSet.as_view({"get": "list", "post": "create"})),
    path("user-tokens/<str:id>", TokenViewSet.as_view(CHANGES)),
]
pages: list[URLPattern | URLResolver] = [  # under /app/
    path("login", login_pages.LogIn.as_view(), name="login"),
    path("login/code", login_pages.ProveClient.as_view(), name="login_code"),
    path("login/code/again", login_pages.mail_again, name="login_code_again"),
    path("login/link", letters.Link.as_view(), name="login_link"),
    path("forgot", letters.Forgot.as_view(), name="forgot"),
    path("verify", letters.Verify.as_view(), name="verify"),
    path("reset", letters.Reset.as_view(), name="reset"),
    path("address", letters.Address.as_view(), name="address"),
    path("login/passkey/ask", passkeys.ask, name="login_passkey_ask"),
    path("login/passkey", passkeys.come_in, name="login_passkey"),
    path("profile", profile.Profile.as_view(), name="profile"),
    path("profile/notifications", profile.Notifications.as_view(), name="profile-notifications"),
    path("profile/security", security.Security.as_view(), name="profile-security"),
    path("profile/authenticator", security.SetUpAuthenticator.as_view(), name="profile-authenticator"),
    path("profile/passkeys/make", passkeys.make, name="profile-passkeys-make"),
    path("profile/passkeys", passkeys.keep, name="profile-passkeys"),
    path("profile/tokens", tokens.Tokens.as_view(), name="profile-tokens"),
    path("logout", login_pages.LogOut.as_view(), name="logout"),
    path("acting/stop", login_pages.stop_acting, name="stop_acting"),
    path("theme", look.theme, name="theme"),
    path("keys", look.single_keys, name="keys"),
]
root: list[URLPattern | URLResolver] = [*routes(login, user, org)]  # root paths
