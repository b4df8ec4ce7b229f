"""Runs Python code within a product as the owner of its tables, to make rows of many orgs: `python -m tests.as_owner "code"`."""

import os
import sys


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["DATABASE_URL"] = os.environ.pop("DATABASE_OWNER_URL")

    import django
    from django.conf import settings

    settings.DATABASES["default"]["AS_OWNER"] = True
    django.setup()
    exec(sys.argv[1], {})


if __name__ == "__main__":
    main()
