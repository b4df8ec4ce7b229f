"""This app's routes, by interface; `config/urls.py` puts them together."""

from typing import Any

from django.urls import URLPattern, URLResolver, path

from accounts import letter_pages, passkey_pages, profile_pages, security_pages, token_pages
from accounts import pages as views
from accounts.api.people import ServiceAccountViewSet, UserViewSet
from accounts.api.tokens import TokenViewSet
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
    path("login", views.LogIn.as_view(), name="login"),
    path("login/code", views.ProveClient.as_view(), name="login_code"),
    path("login/code/again", views.mail_again, name="login_code_again"),
    path("login/link", letter_pages.Link.as_view(), name="login_link"),
    path("forgot", letter_pages.Forgot.as_view(), name="forgot"),
    path("verify", letter_pages.Verify.as_view(), name="verify"),
    path("reset", letter_pages.Reset.as_view(), name="reset"),
    path("address", letter_pages.Address.as_view(), name="address"),
    path("login/passkey/ask", passkey_pages.ask, name="login_passkey_ask"),
    path("login/passkey", passkey_pages.come_in, name="login_passkey"),
    path("profile", profile_pages.Profile.as_view(), name="profile"),
    path("profile/notifications", profile_pages.Notifications.as_view(), name="profile-notifications"),
    path("profile/security", security_pages.Security.as_view(), name="profile-security"),
    path("profile/authenticator", security_pages.SetUpAuthenticator.as_view(), name="profile-authenticator"),
    path("profile/passkeys/make", passkey_pages.make, name="profile-passkeys-make"),
    path("profile/passkeys", passkey_pages.keep, name="profile-passkeys"),
    path("profile/tokens", token_pages.Tokens.as_view(), name="profile-tokens"),
    path("logout", views.LogOut.as_view(), name="logout"),
    path("acting/stop", views.stop_acting, name="stop_acting"),
    path("theme", views.theme, name="theme"),
    path("keys", views.single_keys, name="keys"),
]
root: list[URLPattern | URLResolver] = [*routes(login, user, org)]  # root paths
