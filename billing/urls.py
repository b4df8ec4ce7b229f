"""This app's routes, by interface; `config/urls.py` puts them together."""

from django.urls import URLPattern, URLResolver

from billing.session_api import billing
from config.api.session import routes

api: list[URLPattern | URLResolver] = []  # under /api/
pages: list[URLPattern | URLResolver] = []  # under /app/
root: list[URLPattern | URLResolver] = [*routes(billing)]  # root paths
