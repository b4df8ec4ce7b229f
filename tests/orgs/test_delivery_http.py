"""The way out: only to public addresses, only to the very one that was looked at, bounded in time and size."""

import socket
import threading
from contextlib import suppress

import pytest

from orgs.delivery import http
from tests.peer import Answer


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("nonsense", False),
    ],
)
def test_which_addresses_are_public(address, public):
    assert http.is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "https://[::1]/", "http://169.254.169.254/latest/meta-data", "http://0x7f.1/",
        "http://2130706433/", "ftp://example.com/", "http:///path", "http://example.com:99999999/", "",
    ],
)  # fmt: skip
def test_what_leads_into_the_own_network_or_nowhere_is_refused(url):
    with pytest.raises((http.Refused, http.Unreachable)) as refused:
        http.request("POST", url, body=b"{}")
    assert refused.type is http.Refused or str(refused.value) == "The name of the host is unknown."


def test_a_private_address_gets_no_request(peer):
    with pytest.raises(http.Refused):
        http.request("POST", peer.url, body=b"{}")
    assert peer.sent == []


def test_a_host_with_one_private_address_among_public_ones_is_refused(monkeypatch):
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: entries)
    with pytest.raises(http.Refused):
        http.request("POST", "https://both.example/")


def test_it_connects_to_the_address_that_was_looked_at(peer, monkeypatch):
    """The second look-up would lead elsewhere: there is none."""
    asked = []

    def once(host, port, *args, **kwargs):
        asked.append(host)
        assert len(asked) == 1 or host == "127.0.0.1"  # connecting to a number looks nothing up
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", peer.port))]

    monkeypatch.setattr(socket, "getaddrinfo", once)
    reply = http.request("POST", f"http://rebinding.example:{peer.port}/hook", body=b"{}", trusted=True)
    assert (reply.status, peer.sent[0].headers["host"]) == (200, f"rebinding.example:{peer.port}")


def test_a_redirect_is_not_followed(peer):
    peer.usual = Answer(302, b"", {"Location": f"{peer.url}/elsewhere"})
    assert http.request("POST", f"{peer.url}/here", trusted=True).status == 302
    assert [one.path for one in peer.sent] == ["/here"]


def test_a_proxy_of_the_environment_is_not_used(peer, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert http.request("POST", peer.url, trusted=True).status == 200


def test_only_the_beginning_of_an_answer_is_read(peer):
    peer.usual = Answer(200, b"x" * 1_000_000)
    assert len(http.request("POST", peer.url, trusted=True).body) == http.ANSWER_LIMIT


def test_a_server_that_does_not_answer_is_given_up(peer, monkeypatch):
    monkeypatch.setattr(http, "TIMEOUT_S", 0.2)
    let_go = threading.Event()
    peer.usual = Answer(once=let_go)
    with pytest.raises(http.Unreachable):
        http.request("POST", peer.url, trusted=True)
    let_go.set()


def test_a_server_that_answers_byte_by_byte_is_given_up(monkeypatch):
    monkeypatch.setattr(http, "DEADLINE_S", 0.5)
    server, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def drip() -> None:
        client, _ = server.accept()
        with client, suppress(OSError):
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not over.wait(0.1):
                client.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(http.Unreachable):
        http.request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/", trusted=True)
    over.set()
    thread.join(240)
    server.close()


def test_nobody_there_is_unreachable():
    with pytest.raises(http.Unreachable, match="refused"):
        http.request("POST", "http://127.0.0.1:9/", trusted=True)


def test_a_server_without_a_certificate_that_does_is_unreachable(peer):
    with pytest.raises(http.Unreachable):
        http.request("POST", f"https://{peer.netloc}/", trusted=True)


@pytest.mark.parametrize(
    ("url", "headers"), [("http://127.0.0.1/a b\r\nX: y", {}), ("http://127.0.0.1/ä", {}), ("http://127.0.0.1/", {"X": "a\r\nB: c"})]
)
def test_what_would_break_out_of_the_request_is_refused(peer, url, headers):
    with pytest.raises(http.Refused):
        http.request("POST", url.replace("127.0.0.1", peer.netloc), headers=headers, trusted=True)
    assert peer.sent == []
