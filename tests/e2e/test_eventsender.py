"""A page of another origin counts with the script of `/js/eventsender`; the series shows what it counted."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from metrics import points
from metrics.ingest import public_keys
from metrics.models import Metric
from metrics.points.families import POINTS
from metrics.points.fold import fold_all
from orgs.models import PublicKey
from orgs.services import create_public_key
from tests.product import wait_until

PAGE = """<!doctype html><title>A shop</title><h1>A shop</h1>
<script>
window.plumbline = window.plumbline || {{q: []}};
["increment", "gauge", "event"].forEach(function (m) {{
  window.plumbline[m] = window.plumbline[m] || function () {{ window.plumbline.q.push([m].concat([].slice.call(arguments))); }};
}});
plumbline.increment("page.view");
</script>
<script async src="{script}"{tag}></script>
<button id="buy">Buy</button>
<script>
document.getElementById("buy").onclick = function () {{
  plumbline.increment("checkout", 2);
  plumbline.gauge("cart value!", 12.5);
  plumbline.event("sold", {{plan: "pro"}});
}};
</script>
<a href="/elsewhere">Leave</a>
"""


@pytest.fixture
def shop(live_server, world) -> Iterator[tuple[str, str]]:
    """The address of a shop on another origin, and of the script with its key."""
    public_keys.forget()
    pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "<!doctype html><title>x</title>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    key = create_public_key(world.metric.datastore, name="shop", origins=[origin])[1]
    script = f"{live_server.url}/js/eventsender?key={key}"
    pages["/"] = PAGE.format(script=script, tag="")
    pages["/ignores"] = PAGE.format(script=script, tag=' data-dnt="ignore"')
    yield origin, script
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, shop):
    """Opens the shop in a new window; what its console says is kept."""
    contexts, complaints = [], []

    def make(path: str = "/", *, asks_not: bool = False) -> Page:
        context = browser.new_context()
        if asks_not:
            context.add_init_script("Object.defineProperty(navigator, 'doNotTrack', {get: () => '1'})")
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(shop[0] + path)
        page.wait_for_load_state("networkidle")
        return page

    yield make
    for context in contexts:
        assert context.cookies() == []
        context.close()
    assert [text for text in complaints if "favicon" not in text and "ERR_INTERNET_DISCONNECTED" not in text] == []


def stored(org_id: int) -> dict[str, float]:
    """The sum of every series of web pages."""
    fold_all(org_id, POINTS)
    names = dict(Metric.objects.filter(org=org_id, name__startswith="web.").values_list("pk", "name"))
    read = points.read(org_id, list(names), 0, 2**42) if names else {}
    return {names[pk]: float(read[pk].values.sum()) for pk in names}


def test_a_page_of_another_origin_counts_and_the_metric_shows_it(visit, open_desk, world):
    page = visit()
    page.locator("#buy").click(click_count=2)
    assert page.evaluate("plumbline.flush()") is True
    page.locator("#buy").click()
    assert page.evaluate("plumbline.flush()") is True
    assert stored(world.author.org_id) == {
        "web.page.view": 1.0, "web.checkout": 6.0, "web.cart_value": 25.0, 'web.sold{plan="pro"}': 3.0,
    }  # fmt: skip
    desk = open_desk()
    shown = desk.go(f"/app/metrics/{Metric.objects.get(name='web.checkout').pk}/points")
    figures = [float(cell.inner_text()) for cell in shown.locator("tbody tr td:nth-child(2)").all()]
    assert sum(figures) == 6.0


def test_what_was_counted_is_sent_when_the_page_is_left(visit, world):
    page = visit()
    page.locator("#buy").click()
    page.get_by_role("link", name="Leave").click()
    wait_until(lambda: stored(world.author.org_id).get("web.checkout") == 2.0, what="the beacon's count")


@pytest.mark.parametrize(("path", "counted"), [("/", False), ("/ignores", True)])
def test_who_asks_not_to_be_tracked_is_not_counted_unless_the_tag_says_so(visit, world, path, counted):
    page = visit(path, asks_not=True)
    page.locator("#buy").click()
    page.evaluate("plumbline.flush()")
    assert bool(stored(world.author.org_id)) is counted


def test_what_could_not_be_sent_is_sent_later(visit, world):
    page = visit()
    page.context.set_offline(True)
    page.locator("#buy").click()
    assert page.evaluate("plumbline.flush()") is False
    page.locator("#buy").click()
    page.context.set_offline(False)
    assert page.evaluate("plumbline.flush()") is True
    assert stored(world.author.org_id)["web.checkout"] == 4.0
    assert PublicKey.objects.get().last_used is not None
    expect(page.get_by_role("heading", level=1)).to_have_text("A shop")
