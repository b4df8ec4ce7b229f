"""How fast people and programs get through a million anomalies: lists, pages, changes and files, over HTTP."""

import http.client
import itertools
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import Figure, at_least, at_most, measured, median_of
from tests.product import Product

CLIENTS = 4
PAGES = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 100)
CALLS = 16
RUNS = 3
# Beyond the first hundred pages.
DEPTHS = (150, 400, 900, 1500, 1990)
BULK = 1000
EXPORTED = 100_000
MIB = 2**20


def combinations(data: dict) -> dict[str, str]:
    """Filters and sorts alone and together, as people combine them."""
    person, container = data["people"][1], data["containers"][0]
    return {
        "the list as it opens": "",
        "by weight": "sort_weight=desc",
        "lightest first": "sort_weight=asc",
        "oldest first": "sort_created=asc",
        "by id": "sort_id=desc",
        "by records": "sort_anomalous_records_count=desc",
        "by score": "sort_score=desc",
        "one status by weight": "status=Active&sort_weight=desc",
        "a tag of a third": "tag=High",
        "a tag of a hundredth": "tag=Rare",
        "two tags": "tag=High,Customer-Impact",
        "somebody's": f"assignee={person}",
        "nobody's": "assignee=none",
        "status, assignee and tag by weight": f"status=Active&assignee={person}&tag=High&sort_weight=desc",
        "a rule": "rule_type=notNull",
        "a check": "quality_check=7",
        "a field": "field=total",
        "a container": f"container={container}",
        "a datastore": f"datastore={data['warehouse']}",
        "a type": "anomaly_type=shape",
        "high scores": "min_score=97",
        "a week": "timeframe=week",
        "a week of a tag": "timeframe=week&tag=High",
        "open and archived": "archived=include",
        "archived": "archived=only",
        "a reason by weight": "status=Resolved&sort_weight=desc",
        "all of a tag by weight": "archived=include&tag=High&sort_weight=desc",
        "a word that many have": "search=expected",
        "a number that many have": "search=77",
        "a text that one has": "search=row+4711+of",
        "a text that nobody has": "search=zzzzqqq",
        "a text, a tag and a status": "search=is+null&tag=High&status=Acknowledged",
        "related": "related_to_id=1000",
    }


class Caller:
    """One kept connection, with a token or a session."""

    def __init__(self, product: Product, token: str = "", session: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=120)
        known = {"Authorization": f"Bearer {token}"} if token else {"Cookie": f"session_id={session}"} if session else {}
        self.headers = {"Host": "localhost", "Content-Type": "application/json", **known}

    def answer(self, path: str, method: str = "GET", body: object = None) -> bytes:
        self.connection.request(method, path, headers=self.headers, body=None if body is None else json.dumps(body))
        response = self.connection.getresponse()
        found = response.read()
        assert response.status == 200, (method, path, response.status, found[:500])
        return found

    def ms(self, path: str, method: str = "GET", body: object = None) -> float:
        started = time.perf_counter()
        self.answer(path, method, body)
        return 1000 * (time.perf_counter() - started)


def figures(product: Product, data: dict) -> dict[str, Figure]:
    found = {**pages(product, data), **depths(product, data), **single(product, data), **inbox(product, data), **export(product, data)}
    return {**found, "anomalies: load of the machine at the end, of which this is a part": measured(os.getloadavg()[0], "")}


def together(product: Product, paths: list[str], *, calls: int = CALLS, token: str = "", session: str = "") -> list[float]:
    """What each call took, in ms, of CLIENTS who go through the paths from different places at once; each has asked for each path before."""
    took: list[float] = []

    def go(share: list[str]) -> None:
        caller = Caller(product, token, session)
        for path in dict.fromkeys(share):
            caller.ms(path)
        took.extend([caller.ms(path) for path in share])

    shifts = [len(paths) * number // CLIENTS for number in range(CLIENTS)]
    threads = [
        threading.Thread(target=go, args=(list(itertools.islice(itertools.cycle(paths), shift, shift + calls)),)) for shift in shifts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == CLIENTS * calls
    return took


def p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=20)[-1]


def last_page(total: int) -> int:
    return max(1, -(-total // 50))


def pages(product: Product, data: dict) -> dict[str, Figure]:
    """Every combination as a member with levels on datastores, its pages up to the hundredth; the first sight of each apart.

    Each is measured RUNS times, with all the others in between: of the p95 of each the median counts.
    """
    queries, member = combinations(data), data["tokens"]["member"]
    first, paths = {}, {}
    for name, query in queries.items():
        # A connection that waits while others are measured may be closed.
        caller, started = Caller(product, member), time.perf_counter()
        total = json.loads(caller.answer(f"/api/anomalies?{query}"))["total"]
        first[name] = 1000 * (time.perf_counter() - started)
        paths[name] = [f"/api/anomalies?{query}&page={page}".replace("?&", "?") for page in PAGES if page <= last_page(total)]
    runs = [{name: together(product, paths[name], token=member) for name in queries} for _ in range(RUNS)]
    typical = {name: statistics.median(p95(run[name]) for run in runs) for name in queries}
    every = [ms for run in runs for calls in run.values() for ms in calls]
    admin = runs_of(lambda: together(product, [f"/api/anomalies?page={page}" for page in PAGES], token=data["tokens"]["admin"]))
    nothing = runs_of(lambda: together(product, ["/ping"]))
    return {
        "anomalies: an answer that asks nothing (/ping) by as many clients, p95": measured(nothing, "ms"),
        "anomalies: a page, the list as it opens, p95 as admin": at_most(admin, "ms", 30),
        "anomalies: the same as member": at_most(typical["the list as it opens"], "ms", 30),
        f"anomalies: a page, {len(queries)} combinations of filters and sorts, p95 of all": at_most(p95(every), "ms", 30),
        "anomalies: the same, the median": measured(statistics.median(every), "ms"),
        "anomalies: the same, p95 of the slowest combination": at_most(max(typical.values()), "ms", 30),
        "anomalies: combinations whose own p95 is within 30 ms": measured(sum(ms <= 30 for ms in typical.values()), f"of {len(queries)}"),
        "anomalies: the first sight of a list by one client, the slowest": measured(max(first.values()), "ms"),
    }


def runs_of(measure: Callable[[], list[float]]) -> float:
    """The median of the 95th percentiles of RUNS runs."""
    return median_of(RUNS, lambda: p95(measure()))


def depths(product: Product, data: dict) -> dict[str, Figure]:
    queries = ("", "sort_weight=desc", "tag=High", "archived=include", "archived=include&sort_weight=desc", "sort_id=desc")
    took = {
        query: together(product, [f"/api/anomalies?{query}&page={page}" for page in DEPTHS], token=data["tokens"]["member"])
        for query in queries
    }
    return {
        "anomalies: a page at any depth, p95": at_most(p95([ms for calls in took.values() for ms in calls]), "ms", 150),
        "anomalies: the same, p95 of the slowest list": at_most(max(map(p95, took.values())), "ms", 150),
    }


def single(product: Product, data: dict) -> dict[str, Figure]:
    """One anomaly and changes of it, by one client."""
    caller = Caller(product, data["tokens"]["member"])
    ids = [one["id"] for page in range(1, 11) for one in json.loads(caller.answer(f"/api/anomalies?size=100&page={page}"))["items"]]
    shown = [caller.ms(f"/api/anomalies/{pk}") for pk in ids[:60]]
    puts = [caller.ms(f"/api/anomalies/{pk}", "PUT", {"status": status}) for pk in ids[:30] for status in ("Acknowledged", "Active")]
    full = {"status": "Acknowledged", "description": "Seen", "tags": ["High"], "assignee_ids": data["people"][:2]}
    whole = [caller.ms(f"/api/anomalies/{pk}", "PUT", {**full, "description": f"Seen {pk}"}) for pk in ids[100:150]]
    bulks = [
        caller.ms("/api/anomalies", "PATCH", [{"id": pk, "status": status} for pk in ids[:BULK]])
        for status in ("Acknowledged", "Active") * 2
    ]
    small = Caller(product, data["tokens"]["small member"])
    few = [one["id"] for one in json.loads(small.answer("/api/anomalies?size=30"))["items"]]
    alone = [small.ms(f"/api/anomalies/{pk}", "PUT", {"status": status}) for pk in few for status in ("Acknowledged", "Active")]
    return {
        "anomalies: one, p95": at_most(p95(shown), "ms", 30),
        "anomalies: PUT of a status, p95": at_most(p95(puts), "ms", 40),
        "anomalies: PUT of status, description, tags and assignees, p95": at_most(p95(whole), "ms", 40),
        "anomalies: PATCH of 1,000": at_most(statistics.median(bulks) / 1000, "s", 1.5),
        "anomalies: one status change beside 10,000 open ones, p95 (another project: about 10,000)": at_most(p95(alone), "ms", 40),
    }


def inbox(product: Product, data: dict) -> dict[str, Figure]:
    paths = ["/app/inbox", "/app/inbox?page=2", "/app/inbox?page=40", "/app/inbox?search=row+4711"]
    took = runs_of(lambda: together(product, paths, session=data["session"]))
    return {"anomalies: the inbox as HTML, p95": at_most(took, "ms", 150)}


def export(product: Product, data: dict) -> dict[str, Figure]:
    """Both forms of the file of what is open; what the server's memory grows by while they stream."""
    caller, found = Caller(product, data["tokens"]["member"]), {}
    for form in ("csv", "jsonl"):
        streamed(caller, f"/api/anomalies/export?format={form}&datastore={data['warehouse']}")
        before, (lines, seconds, peak) = memory(product), watched(product, caller, f"/api/anomalies/export?format={form}")
        assert lines >= 0.9 * EXPORTED, lines
        found[f"anomalies: export of {lines:,} rows as {form}"] = at_least(lines / seconds, "rows/s", 20_000)
        found[f"anomalies: memory that this adds, {form}"] = at_most((peak - before) / MIB, "MiB", 32)
    return found


def watched(product: Product, caller: Caller, path: str) -> tuple[int, float, int]:
    """Rows, seconds, and the most memory that the web server had meanwhile."""
    peaks, done = [memory(product)], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            peaks.append(memory(product))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    lines = streamed(caller, path)
    took = time.perf_counter() - started
    done.set()
    watcher.join()
    return lines, took, max(peaks)


def streamed(caller: Caller, path: str) -> int:
    """The rows of a file, read as it comes."""
    caller.connection.request("GET", path, headers=caller.headers)
    response = caller.connection.getresponse()
    assert response.status == 200, response.read(500)
    lines = 0
    while piece := response.read1(2**16):
        lines += piece.count(b"\n")
    return lines - ("csv" in path)


def memory(product: Product) -> int:
    """Bytes that the processes of the web server hold, what they share counted once for each."""
    return sum(map(held_by(product.process.pid), Path("/proc").glob("[0-9]*")))


def held_by(leader: int) -> Callable[[Path], int]:
    """The bytes of one process of the session that `leader` began (fourth in `stat` behind the command's name); 0 for any other."""

    def held(folder: Path) -> int:
        try:
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
            return int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if session == leader else 0
        except OSError:
            return 0  # it has ended meanwhile

    return held
