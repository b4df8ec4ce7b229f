"""Bodies in chunks reach every kind of view whole, through the product's own web server."""

import http.client
import io
import json
import socket
import time

import pytest
from django.test import RequestFactory

from config.api.bodies import stream_of
from orgs.errors import Malformed
from tests import factories
from tests.product import new_product

MAKE = """
import json
from orgs.services import create_ingest_key
from tests import factories
org = factories.make_org("Bodies", slug="bodies")
admin = factories.make_user(org, "Ada Admin", role="admin")
print(json.dumps({"token": factories.make_personal_token(admin), "key": create_ingest_key(org.datastores.get(), name="k")[1],
                  "email": admin.email}))
"""


@pytest.fixture(scope="module")
def product():
    with new_product() as made:
        made.start_web()
        made.said = json.loads(made.as_owner(MAKE).splitlines()[-1])
        yield made


@pytest.fixture
def send(product):
    """One request whose body goes out in chunks of three bytes, without a Content-Length: status and JSON."""

    def ask(method, path, body, content_type="application/json", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=240)
        sent = {"Host": "localhost", "Content-Type": content_type, "Transfer-Encoding": "chunked", **headers}
        pieces = (body[at : at + 3] for at in range(0, len(body), 3))
        connection.request(method, path, pieces, {name.replace("_", "-"): value for name, value in sent.items()}, encode_chunked=True)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content) if content else None

    return ask


@pytest.fixture
def bearer(product):
    return {"Authorization": f"Bearer {product.said['token']}"}


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "once"}])
def test_a_post_of_the_rest_api(send, bearer, headers):
    status, event = send("POST", "/api/events", json.dumps({"name": "Deployed 4711"}).encode(), **bearer, **headers)
    assert (status, event["name"]) == (201, "Deployed 4711")


def test_a_put_of_the_rest_api(send, bearer):
    status, me = send("PUT", "/api/users/me", b'{"name": "Ada Chunk"}', **bearer)
    assert (status, me["name"]) == (200, "Ada Chunk")


def test_an_empty_one_is_empty(send, bearer):
    status, problem = send("PUT", "/api/users/me", b"", **bearer)
    assert (status, problem["type"]) == (400, "/problems/malformed")


def test_one_without_end_is_refused(send, bearer):
    status, problem = send("PUT", "/api/users/me", b'{"name": "' + b"x" * 10_000_001 + b'"}', **bearer)
    assert (status, problem["type"]) == (413, "/problems/too-large")


def test_a_call_of_the_session_api(send):
    status, answer = send("POST", "/misc/timesince", b'{"timestamp": 1657025880, "now": 1658321880}')
    assert (status, answer["data"]) == (200, {"timesince": "more than 2 weeks ago"})


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_log_in_of_the_session_api(product, send, content_type):
    said = {"email": product.said["email"], "password": factories.PASSWORD}
    body = json.dumps(said) if content_type == "application/json" else "&".join(f"{name}={value}" for name, value in said.items())
    status, answer = send("POST", "/login", body.replace(" ", "+" if "=" in body else " ").encode(), content_type)
    assert status == 200, answer


def test_points(product, send):
    point = {"key": product.said["key"], "metric": "chunked", "timestamp": int(time.time()), "value": 1.5}
    assert send("POST", "/flux/metric_data_post", json.dumps(point).encode()) == (204, None)


def test_a_file_of_history(product, send):
    line = json.dumps({"metric": "chunked.history", "timestamp": int(time.time()) - 60, "value": 2.5}).encode()
    status, operation = send("POST", "/api/metrics/import", line, "application/x-ndjson", Authorization=f"Bearer {product.said['key']}")
    assert (status, operation["total"]) == (202, len(line))


def test_an_upload_that_was_cut_off_is_not_taken_for_a_whole_one(product, bearer):
    line = b'{"metric": "cut.off", "timestamp": 1795363200, "value": 1}\n'
    head = (
        "POST /api/metrics/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
        f"Authorization: {bearer['Authorization']}\r\nContent-Length: {len(line) * 1000}\r\n\r\n"
    )
    before = product.get("/api/operations", **bearer)[1]["total"]
    with socket.create_connection(("127.0.0.1", product.port)) as connection:
        connection.sendall(head.encode() + line * 500 + line[:20])
        time.sleep(1)
    time.sleep(1)
    assert product.get("/api/operations", **bearer)[1]["total"] == before


def test_reading_says_where_a_declared_body_ends_too_early():
    request = RequestFactory().post("/", b"", content_type="text/plain")
    request.META["CONTENT_LENGTH"], request._stream = "10", io.BytesIO(b"1234567")
    stream = stream_of(request)
    assert stream.read(4) + stream.read(4) == b"1234567"
    with pytest.raises(Malformed, match="ended before its Content-Length"):
        stream.read(4)
