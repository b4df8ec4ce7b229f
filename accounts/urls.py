"""This app's routes, by interface; `config/urls.py` puts them together."""

from django.urls import URLPattern, URLResolver, path

from accounts import pages as views

api: list[URLPattern | URLResolver] = []  # under /api/
pages: list[URLPattern | URLResolver] = [  # under /app/
    path("login", views.LogIn.as_view(), name="login"),
    path("logout", views.LogOut.as_view(), name="logout"),
    path("theme", views.theme, name="theme"),
]
root: list[URLPattern | URLResolver] = []  # root paths
