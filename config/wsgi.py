"""The web application, as the web server's workers load it."""

import importlib
import os
import threading
from typing import Final

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from config.database.guard import refuse_open_wall  # noqa: E402  when Django is set up

refuse_open_wall()

# The first remote write and the first forecast need compiled code, which takes a second or two to load. Pages come first, and compiling
# (config/kernels.py).
WARM_AFTER_S: Final = 10.0


def warm() -> None:
    for name in ("metrics.ingest.remote_write", "metrics.ingest.remote_intake"):
        importlib.import_module(name)
    engine = importlib.import_module("metrics.detection.engine")
    if engine.is_compiled():
        engine.tick(engine.new_states(1), 0)


_warming = threading.Timer(WARM_AFTER_S, warm)
_warming.daemon = True
_warming.start()
