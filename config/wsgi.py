"""The web application, as the web server's workers load it."""

import os
import threading
from importlib import import_module
from typing import Final

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from config.database.guard import refuse_open_wall  # noqa: E402  when Django is set up

refuse_open_wall()

# Every view, before anybody waits for one.
import_module(settings.ROOT_URLCONF)

# The first remote write and the first forecast need compiled code, which takes a second or two to load. Pages come first, and compiling
# (config/kernels.py).
WARM_AFTER_S: Final = 10.0


def warm() -> None:
    for name in ("metrics.ingest.remote_write", "metrics.ingest.remote_intake"):
        import_module(name)
    engine = import_module("metrics.detection.engine")
    if engine.is_compiled():
        engine.tick(engine.new_states(1), 0)


_warming = threading.Timer(WARM_AFTER_S, warm)
_warming.daemon = True
_warming.start()
