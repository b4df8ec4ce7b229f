"""The web application as a worker of the web server loads it."""

from tests.product import new_product

LOADED = """
import sys
import config.wsgi
print("loaded:", *sorted({"accounts.session_api.user", "anomalies.api.views", "anomalies.pages.inbox"} & sys.modules.keys()))
"""


def test_every_view_is_loaded_before_anybody_asks():
    with new_product() as product:
        product.start_servers()
        said = product.manage("shell", "--no-imports", "-c", LOADED).splitlines()
        assert "loaded: accounts.session_api.user anomalies.api.views anomalies.pages.inbox" in said
