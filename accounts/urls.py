"""This app's routes, by interface; `config/urls.py` puts them together."""

from django.urls import URLPattern, URLResolver

api: list[URLPattern | URLResolver] = []  # under /api/
pages: list[URLPattern | URLResolver] = []  # under /app/
root: list[URLPattern | URLResolver] = []  # root paths
