"""The mails that land as files, on the operators' page."""

import email.policy
import os

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection

from config import mailbox
from config.mail import mail_folder
from tests import factories

LIST = "/admin/mails/"


@pytest.fixture
def desk(as_, org):
    return as_(factories.make_user(org, "Olga Operator", is_staff=True, is_superuser=True, role="admin"))


@pytest.fixture
def folder(settings, tmp_path):
    settings.PLUMBLINE_HOME, settings.BASE_URL = tmp_path, "http://localhost:8000"
    return mail_folder()


def send(to="vic@example.com", subject="Your code", text="Your code is\n\n    123456\n", html="<p>Your <b>code</b></p>") -> str:
    """A mail as the product sends it; its id."""
    message = EmailMultiAlternatives(subject, text, "Plumbline <p@example.com>", [to])
    message.attach_alternative(html, "text/html")
    get_connection("config.mail.FileBackend").send_messages([message])
    return mailbox.envelopes()[0].id


def test_without_a_mail_server_the_page_says_where_mails_go(desk, folder, settings):
    settings.EMAIL_HOST = ""
    page = desk.get(LIST).content.decode()
    assert "There is no mail server" in page
    assert "No mail yet." in page
    settings.EMAIL_HOST = "smtp.example.com"
    assert "Mails go out through <strong>smtp.example.com:587</strong>" in desk.get(LIST).content.decode()


def test_mails_are_listed_newest_first_and_found_by_address_and_subject(desk, folder):
    send(to="vic@example.com", subject="Your code")
    send(to="Éve <eve@example.com>", subject="Über den Einlaß")
    page = desk.get(LIST)
    assert [one.subject for one in page.context["page"]] == ["Über den Einlaß", "Your code"]
    assert [one.to for one in desk.get(LIST, {"q": "EVE@"}).context["page"]] == ["Éve <eve@example.com>"]
    assert [one.to for one in desk.get(LIST, {"q": "your code"}).context["page"]] == ["vic@example.com"]
    assert "No mail to or about “nobody”" in desk.get(LIST, {"q": "nobody"}).content.decode()


def test_a_list_has_pages(desk, folder, monkeypatch):
    monkeypatch.setattr("config.operate.PAGE", 2)
    for number in range(5):
        send(subject=f"Mail {number}")
    shown = [[one.subject for one in desk.get(LIST, {"p": page}).context["page"]] for page in (1, 2, 3)]
    assert shown == [["Mail 4", "Mail 3"], ["Mail 2", "Mail 1"], ["Mail 0"]]


def test_a_mail_is_shown_as_text_and_as_html_in_a_frame(desk, folder):
    link = "http://localhost:8000/app/verify?email=a%40b.example&token=00"
    id = send(text=f"Hello <b>you</b>,\n\n{link}\n\nnot https://evil.example/x\n")
    page = desk.get(f"{LIST}{id}/")
    text = page.content.decode()
    assert "Hello &lt;b&gt;you&lt;/b&gt;," in text
    assert f'<iframe src="{LIST}{id}/html" sandbox title=' in text
    assert page.context["mail"].links == (link,)


def test_the_html_of_a_mail_can_do_nothing(desk, folder):
    id = send(html="<script>alert(1)</script><p>Hi</p>")
    answer = desk.get(f"{LIST}{id}/html")
    assert answer.content.decode().strip() == "<script>alert(1)</script><p>Hi</p>"
    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    assert policy == {
        "sandbox": "", "default-src": "'none'", "style-src": "'unsafe-inline'", "img-src": "data:", "base-uri": "'none'",
        "form-action": "'none'", "frame-ancestors": "'self'",
    }  # fmt: skip
    assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == ("SAMEORIGIN", "nosniff")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    "id", ["..%2f..%2fsecret", "20260101-000000-000000-abcdef", "secret.key", "20260101-000000-000000-abcdef%00", "x" * 300]
)
def test_what_is_no_mail_is_404(desk, folder, id):
    folder.mkdir(parents=True)
    (folder.parent / "secret.eml").write_text("secret")
    assert desk.get(f"{LIST}{id}/").status_code == 404
    assert desk.get(f"{LIST}{id}/html").status_code == 404


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"To: =?x?y?z?=\nSubject: \n\n", os.urandom(5000), b"Content-Type: text/plain; charset=nope\n\n\xff"]
)
def test_a_file_that_is_no_mail_breaks_nothing(desk, folder, content):
    folder.mkdir(parents=True)
    id = "20260101-000000-000000-abcdef"
    (folder / f"{id}.eml").write_bytes(content)
    (folder / "notes.eml").write_bytes(b"Subject: not ours\n\n")
    assert desk.get(LIST).context["page"].paginator.count == 1
    assert [desk.get(f"{LIST}{id}/{part}").status_code for part in ("", "html")] == [200, 200]


def test_headers_are_read_as_people_wrote_them(folder):
    id = send(to="vic@example.com", subject="Eins\u20ac")
    raw = (folder / f"{id}.eml").read_bytes()
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == "Eins\u20ac"
    assert mailbox.mail_of(id).envelope.subject == "Eins\u20ac"


@pytest.mark.parametrize("path", [LIST, f"{LIST}20260101-000000-000000-abcdef/", f"{LIST}20260101-000000-000000-abcdef/html"])
def test_only_operators_who_may_see_letters_read_mails(as_, admin, org, client, path):
    assert client.get(path)["Location"] == f"/app/login?next={path}"
    assert as_(admin).get(path, follow=True).status_code == 403
    assert as_(factories.make_user(org, is_staff=True)).get(path).status_code == 403


def test_the_navigation_leads_there(desk, as_, org, folder):
    assert f'href="{LIST}"' in desk.get("/admin/").content.decode()
    clerk = as_(factories.make_user(org, is_staff=True))
    assert f'href="{LIST}"' not in clerk.get("/admin/").content.decode()
