"""A process that acts on one stored event, to be killed in the middle of it: `python -m tests.billing.worker evt_1`."""

import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402

django.setup()

from django.utils import timezone  # noqa: E402

from billing import intake  # noqa: E402

if __name__ == "__main__":
    intake.act_on(sys.argv[1], now=timezone.now())
