"""POST /api/metrics/import: history in the background, with progress, resumable, and honest about bad lines."""

import gzip
import io
import os
from datetime import timedelta

import orjson
import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Level
from datastores.models import Datastore, Operation
from datastores.services import abort_operation
from metrics import points
from metrics.ingest import history, imports, senders
from metrics.ingest.history import Form
from metrics.ingest.senders import Sender, sender_of
from metrics.models import Metric
from metrics.points import Rule
from metrics.tasks import resume_imports
from orgs.models import IngestKey
from tests import factories
from tests.api.conftest import client_with
from tests.metrics.ingest.conftest import log_refusing
from tests.product import CROWDED_S

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/metrics/import"
NDJSON = "application/x-ndjson"


@pytest.fixture
def send(agent):
    def post(body, *, secret, form=NDJSON, url=URL):
        return agent.post(url, body, content_type=form, headers={"Authorization": f"Bearer {secret}"})

    return post


def lines(*rows):
    return b"".join(orjson.dumps(dict(zip(("metric", "timestamp", "value"), row, strict=True))) + b"\n" for row in rows)


def test_a_file_is_stored_and_the_operation_tells_how_it_went(send, key, now, stored):
    answer = send(lines(("a", now - 60, 1), ("b", now, 2), ("a", now, 3)), secret=key)
    assert (answer.status_code, answer["Location"]) == (202, f"/api/operations/{answer.json()['id']}")
    operation = Operation.objects.get(pk=answer.json()["id"])
    assert (operation.status, operation.percent, operation.message) == ("success", 100.0, "3 points stored.")
    counted = {name: operation.counters[name] for name in ("lines", "stored", "refused", "new_series")}
    assert counted == {"lines": 3, "stored": 3, "refused": 0, "new_series": 2}
    assert stored() == {"a": [(now - 60, 1.0), (now, 3.0)], "b": [(now, 2.0)]}
    assert not imports.path_of(operation).exists()


def test_history_is_marked_as_such_and_comes_oldest_first(send, key, now):
    mark = points.read_log(0, 1, 0).mark
    send(lines(("a", now, 3), ("a", now - 60, 2), ("a", now - 120, 1)), secret=key)
    got = points.read_log(0, 1, mark)
    assert (got.values.tolist(), got.backfill.tolist()) == ([1, 2, 3], [True] * 3)


@pytest.mark.parametrize("head", ["metric,timestamp,value", "value,metric,timestamp,more", "\ufeffMetric, Timestamp ,VALUE"])
def test_csv_with_its_header_in_any_order(send, key, now, stored, head):
    cells = {"metric": '"a{b=""c,d""}"', "timestamp": str(now), "value": "1.5", "more": "x"}
    row = ",".join(cells[name.strip().lower().lstrip("\ufeff")] for name in head.split(","))
    answer = send(f"{head}\n{row}\n".encode(), secret=key, form="text/csv; charset=utf-8")
    assert (answer.status_code, stored()) == (202, {'a{b="c,d"}': [(now, 1.5)]})


def test_bad_lines_are_reported_by_number_and_good_ones_stored(send, key, now, stored):
    body = b"not json\n" + lines(("a", now, 1)) + b"\n" + lines(("a", 5, 1), ("", now, 1)) + b"[]\n" + lines(("b", now, "x"))[:-1]
    counters = Operation.objects.get(pk=send(body, secret=key).json()["id"]).counters
    assert [(line["line"], line["code"]) for line in counters["refused_lines"]] == [
        (1, "line_invalid"),
        (4, "timestamp_out_of_range"),
        (5, "name_missing"),
        (6, "line_invalid"),
        (7, "value_invalid"),
    ]
    assert (counters["lines"], counters["stored"], counters["refused"], stored()) == (7, 1, 5, {"a": [(now, 1.0)]})


@pytest.mark.parametrize("form", [NDJSON, "text/csv"])
def test_an_empty_value_is_said_to_be_missing(send, key, now, stored, form):
    body = {
        NDJSON: lines(("a", now - 2, None), ("a", now - 1, ""), ("a", now, 1)),
        "text/csv": f"metric,timestamp,value\na,{now - 2},\na,{now - 1}, \na,{now},1\n".encode(),
    }[form]
    counters = Operation.objects.get(pk=send(body, secret=key, form=form).json()["id"]).counters
    reason = "value: it is missing or empty. For a gap, send no point."
    assert [(line["code"], line["reason"]) for line in counters["refused_lines"]] == [("value_missing", reason)] * 2
    assert (counters["refused"], stored()) == (2, {"a": [(now, 1.0)]})


def test_line_numbers_of_csv_count_the_header(send, key, now):
    body = f"metric,timestamp,value\na,{now},1\na,{now}\n".encode()
    counters = Operation.objects.get(pk=send(body, secret=key, form="text/csv").json()["id"]).counters
    assert [line["line"] for line in counters["refused_lines"]] == [3]


def test_a_line_without_end_is_refused_without_being_held(send, key, now, stored):
    body = b"x" * (3 * history.LINE_LIMIT) + b"\n" + lines(("a", now, 1))
    counters = Operation.objects.get(pk=send(body, secret=key).json()["id"]).counters
    assert [(line["line"], line["code"]) for line in counters["refused_lines"]] == [(1, "line_too_long")]
    assert stored() == {"a": [(now, 1.0)]}


def test_a_sum_key_sums_history_too(send, datastore, now, stored):
    secret = factories.make_ingest_key(datastore, rule=IngestKey.Rule.SUM)[1]
    minute = now - now % 60
    send(lines(("a", minute, 1), ("a", minute + 30, 2)), secret=secret)
    assert stored() == {"a": [(minute, 3.0)]}


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k1"}])
def test_a_file_in_chunks_is_stored_like_one_of_declared_length(agent, datastore, editor, now, stored, headers):
    secret = factories.make_personal_token(editor)
    headers = {"Transfer-Encoding": "chunked", "Authorization": f"Bearer {secret}", **headers}
    chunked = {"CONTENT_LENGTH": "", "wsgi.input": io.BytesIO(lines(("a", now - 1, 1), ("a", now, 2)))}
    answer = agent.post(URL, b"-", content_type=NDJSON, headers=headers, **chunked)
    assert (answer.status_code, stored()) == (202, {"a": [(now - 1, 1.0), (now, 2.0)]})


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_file_is_unpacked(agent, key, now, stored, encoding):
    headers = {"Authorization": f"Bearer {key}", "Content-Encoding": encoding}
    body = gzip.compress(lines(("a", now - 1, 1))) + gzip.compress(lines(("a", now, 2)))
    answer = agent.post(URL, body, content_type=NDJSON, headers=headers)
    assert (answer.status_code, stored()) == (202, {"a": [(now - 1, 1.0), (now, 2.0)]})


@pytest.mark.parametrize(("body", "encoding", "status"), [
    (b"{}", "br", 415), (b"{}", "gzip", 400), (gzip.compress(b"x" * 1000, mtime=0)[:-9], "gzip", 400), (b"", "zstd", 415),
])  # fmt: skip
def test_a_file_that_cannot_be_unpacked_is_refused_and_leaves_nothing(agent, key, settings, body, encoding, status):
    headers = {"Authorization": f"Bearer {key}", "Content-Encoding": encoding}
    answer = agent.post(URL, body, content_type=NDJSON, headers=headers)
    assert (answer.status_code, Operation.objects.count()) == (status, 0)
    assert list((settings.PLUMBLINE_HOME / "imports").glob("*.spool")) == []


def test_a_bomb_is_refused_while_it_unpacks(agent, key, monkeypatch):
    monkeypatch.setattr(imports, "FILE_LIMIT", 2**20)
    headers = {"Authorization": f"Bearer {key}", "Content-Encoding": "gzip"}
    answer = agent.post(URL, gzip.compress(b"x" * 2**22), content_type=NDJSON, headers=headers)
    assert (answer.status_code, Operation.objects.count()) == (413, 0)


class TestRoom:
    """Nobody fills the disk for all, and whoever is sent away learns when to come back."""

    @pytest.fixture
    def nothing_left(self, settings):
        def check():
            return Operation.objects.count(), [path.name for path in (settings.PLUMBLINE_HOME / "imports").glob("*.spool")]

        return check

    @pytest.mark.parametrize(("limit", "value"), [("WAITING_LIMIT", 1), ("WAITING_BYTES", 10)])
    def test_an_org_with_much_that_waits_is_told_to_come_back(self, send, key, now, other_datastore, monkeypatch, unattended, limit, value):
        monkeypatch.setattr(imports, limit, value)
        assert send(lines(("a", now, 1)), secret=key).status_code == 202
        refused = send(lines(("a", now, 2)), secret=key)
        assert (refused.status_code, refused["Retry-After"], Operation.objects.count()) == (429, "30", 1)
        assert refused.json()["detail"].startswith("1 imports of your org with ")
        assert send(lines(("a", now, 1)), secret=factories.make_ingest_key(other_datastore)[1]).status_code == 202
        for waiting in imports.unfinished():
            imports.run(waiting)
        assert send(lines(("a", now, 2)), secret=key).status_code == 202
        unattended.work()

    def test_a_full_disk_is_503_and_leaves_nothing(self, send, key, now, monkeypatch, nothing_left):
        monkeypatch.setattr(imports, "RESERVE_BYTES", 2**62)
        answer = send(lines(("a", now, 1)), secret=key)
        assert (answer.status_code, answer["Retry-After"], nothing_left()) == (503, "30", (0, []))
        assert answer.json()["detail"].startswith("The server's disk has no room for the file. Nothing was taken")


class TestWhoMay:
    def test_an_editor_may(self, send, editor, now, stored):
        answer = send(lines(("a", now, 1)), secret=factories.make_personal_token(editor))
        assert (answer.status_code, answer.json()["user"]["id"], stored()) == (202, editor.pk, {"a": [(now, 1.0)]})

    @pytest.mark.parametrize("who", ["reporter", "viewer", "drafter", "author"])
    def test_a_lower_level_may_not_and_nothing_changes(self, send, request, org, now, who):
        user = request.getfixturevalue(who)
        answer = send(lines(("a", now, 1)), secret=factories.make_personal_token(user))
        assert (answer.status_code, Operation.objects.count(), Metric.objects.for_org(org).count()) == (403, 0, 0)

    def test_another_orgs_datastore_is_404(self, send, org, now):
        other = factories.make_org("Other")
        stranger = factories.make_user(other, level=Level.EDITOR)
        mine = org.datastores.get().pk
        answer = send(lines(("a", now, 1)), secret=factories.make_personal_token(stranger), url=f"{URL}?datastore={mine}")
        assert (answer.status_code, Operation.objects.count()) == (404, 0)

    @pytest.mark.parametrize("named", ["%C2%B2", "%D9%A1", "-1", "9" * 30])
    def test_a_datastore_that_is_no_number_is_404(self, send, editor, now, named):
        answer = send(lines(("a", now, 1)), secret=factories.make_personal_token(editor), url=f"{URL}?datastore={named}")
        assert (answer.status_code, Operation.objects.count()) == (404, 0)

    @pytest.mark.parametrize("secret", ["", "x", "plb_00000000_nothing"])
    def test_nobody_is_401(self, send, db, secret):
        answer = send(b"", secret=secret)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")

    def test_a_token_that_only_reads_may_not(self, send, editor, now):
        assert send(lines(("a", now, 1)), secret=factories.make_personal_token(editor, "read")).status_code == 403

    def test_an_org_token_may_not(self, send, org):
        assert send(b"", secret=factories.make_org_token(org)).status_code == 403


class TestProgress:
    @pytest.fixture
    def sent(self, send, key, now) -> str:
        """The address of an import with a line that was refused."""
        return send(lines(("a", now, 1), ("a", 5, 1)), secret=key)["Location"]

    def test_the_key_that_sent_it_reads_it_with_the_refused_lines(self, sent, key):
        answer = client_with(key).get(sent)
        (refused,) = answer.json()["counters"]["refused_lines"]
        assert (answer.status_code, answer.json()["status"], answer.json()["percent"]) == (200, "success", 100.0)
        assert (refused["line"], refused["code"]) == (2, "timestamp_out_of_range")

    def test_people_read_it_as_before(self, sent, reporter):
        assert client_with(factories.make_personal_token(reporter)).get(sent).status_code == 200

    def test_a_key_of_another_datastore_or_org_does_not_see_it(self, sent, org):
        elsewhere = (Datastore.objects.create(org=org, name="Second"), factories.make_org("Other").datastores.get())
        for place in elsewhere:
            assert client_with(factories.make_ingest_key(place)[1]).get(sent).status_code == 404

    @pytest.mark.parametrize("kind", sorted(set(Operation.Kind) - {Operation.Kind.IMPORT}))
    def test_other_work_is_not_a_keys_to_see(self, sent, key, kind):
        Operation.objects.update(kind=kind)
        assert client_with(key).get(sent).status_code == 404

    def test_a_revoked_key_reads_nothing(self, sent, key):
        IngestKey.objects.update(revoked=timezone.now())
        senders.forget()
        assert client_with(key).get(sent).status_code == 401

    def test_a_key_neither_lists_nor_aborts(self, sent, key):
        client, number = client_with(key), sent.rpartition("/")[2]
        assert (client.get("/api/operations").status_code, client.put(f"/api/operations/abort/{number}").status_code) == (401, 401)


class TestForms:
    @pytest.mark.parametrize("form", ["application/json", "", "text/plain"])
    def test_another_content_type_is_415(self, send, key, form):
        assert send(b"x", secret=key, form=form).status_code == 415

    @pytest.mark.parametrize("head", [b"\n", b"a,b,c\n", b"metric,timestamp\n", b"\xff\xff\n"])
    def test_csv_without_its_header_is_422_and_leaves_nothing(self, send, key, head):
        answer = send(head, secret=key, form="text/csv")
        assert (answer.status_code, Operation.objects.count()) == (422, 0)

    def test_a_file_beyond_the_limit_is_413_and_leaves_nothing(self, send, key, monkeypatch, settings):
        monkeypatch.setattr(imports, "FILE_LIMIT", 100)
        assert send(b"x" * 101, secret=key).status_code == 413
        assert list((settings.PLUMBLINE_HOME / "imports").iterdir()) == []

    def test_get_is_405(self, key):
        assert client_with(key).get(URL).status_code == 405


class TestSteps:
    @pytest.fixture
    def started(self, key, now, monkeypatch):
        """An import of 10 lines that nobody has begun to read, with steps of 3 lines."""
        monkeypatch.setattr(imports, "_STEP_LINES", 3)
        body = lines(*[("a", now - 10 + k, k) for k in range(10)])
        return imports.start(sender_of(key), io.BytesIO(body), form=Form.NDJSON, user_id=None)

    @pytest.fixture
    def everything(self, now):
        return {"a": [(now - 10 + k, float(k)) for k in range(10)]}

    def test_a_file_is_read_in_steps(self, started, stored, everything):
        assert imports._step(started.pk)
        started.refresh_from_db()
        assert (started.status, started.counters["lines"]) == ("running", 3)
        assert not imports.run(started.pk)
        started.refresh_from_db()
        assert (started.status, started.counters["lines"], stored()) == ("success", 10, everything)

    def test_a_step_is_no_longer_than_its_bytes(self, started, stored, everything, monkeypatch):
        monkeypatch.setattr(imports, "_STEP_BYTES", 1)
        assert imports._step(started.pk)
        started.refresh_from_db()
        assert started.counters["lines"] == 1
        imports.run(started.pk)
        assert stored() == everything

    def test_one_that_takes_long_lets_others_work_and_goes_on(self, started, stored, everything):
        assert imports.run(started.pk, budget_s=0.0)
        started.refresh_from_db()
        assert (started.status, started.counters["lines"]) == ("running", 3)
        assert not imports.run(started.pk, budget_s=60.0)
        assert stored() == everything

    def test_what_can_never_be_stored_ends_it(self, started, stored):
        with log_refusing("22012", after=1):
            assert not imports.run(started.pk)
        started.refresh_from_db()
        said = "It went wrong and was ended; what was stored until then stays. (DataError)"
        assert (started.status, started.message, len(stored()["a"])) == ("failure", said, 3)

    def test_one_cut_off_goes_on_where_it_was(self, started, stored, everything):
        with log_refusing("57P01", after=1), pytest.raises(OperationalError):
            imports.run(started.pk)
        started.refresh_from_db()
        assert (started.status, started.counters["stored"], len(stored()["a"])) == ("running", 3, 3)
        resume_imports()
        started.refresh_from_db()
        assert (started.status, started.counters["stored"], stored()) == ("success", 10, everything)

    def test_an_aborted_one_stops_and_keeps_what_it_has(self, started, stored):
        imports._step(started.pk)
        abort_operation(started)
        assert not imports.run(started.pk)
        started.refresh_from_db()
        assert (started.status, len(stored()["a"])) == ("aborted", 3)
        assert not imports.path_of(started).exists()

    def test_a_finished_one_is_not_read_again(self, started, stored, everything):
        imports.run(started.pk)
        assert (imports.run(started.pk), stored()) == (False, everything)

    def test_a_lost_file_is_a_failure_that_says_so(self, started):
        imports.path_of(started).unlink()
        imports.run(started.pk)
        started.refresh_from_db()
        assert (started.status, started.message) == ("failure", "The spooled file is gone; send it again.")

    @pytest.mark.parametrize("steps", [0, 1])
    def test_a_shortened_file_is_a_failure_that_says_so_and_is_not_read_again_and_again(self, started, stored, steps):
        for _ in range(steps):
            imports._step(started.pk)
        path = imports.path_of(started)
        os.truncate(path, path.stat().st_size - 20)
        assert not imports.run(started.pk, budget_s=CROWDED_S)
        started.refresh_from_db()
        said = "The spooled file is shorter than what was sent; send it again. What was stored until then stays."
        assert (started.status, started.message, path.exists()) == ("failure", said, False)
        assert len(stored().get("a", [])) == 3 * steps

    def test_a_file_of_an_ended_import_is_removed_and_one_that_waits_stays(self, started, key):
        waiting = imports.start(sender_of(key), io.BytesIO(b"{}"), form=Form.NDJSON, user_id=None)
        abort_operation(started)
        imports.clean_up()
        assert (imports.path_of(started).exists(), imports.path_of(waiting).exists()) == (False, True)

    def test_a_file_without_an_operation_is_removed_when_it_is_old(self, started):
        path = imports.path_of(started)
        started.delete()
        imports.clean_up()
        assert path.exists()
        os.utime(path, (0, 0))
        imports.clean_up()
        assert not path.exists()

    def test_an_upload_that_was_cut_off_ends_after_a_day(self, started):
        Operation.objects.filter(pk=started.pk).update(total=None)
        resume_imports()
        started.refresh_from_db()
        assert (started.status, imports.path_of(started).exists()) == ("waiting", True)
        Operation.objects.filter(pk=started.pk).update(created=timezone.now() - timedelta(days=1, seconds=1))
        resume_imports()
        started.refresh_from_db()
        assert (started.status, started.message) == ("failure", "The upload was cut off; send it again.")
        assert not imports.path_of(started).exists()

    def test_two_readers_of_one_import_store_every_line_once(self, datastore, now, stored, monkeypatch, in_thread):
        monkeypatch.setattr(imports, "_STEP_LINES", 5)
        minute = now - now % 60
        sender = Sender(0, datastore.org_id, datastore.pk, Rule.SUM, 0)
        operation = imports.start(sender, io.BytesIO(lines(*[("a", minute, 1)] * 200)), form=Form.NDJSON, user_id=None)
        threads = [in_thread(lambda: imports.run(operation.pk)) for _ in range(3)]
        for thread in threads:
            thread.join(240)
        imports.run(operation.pk)
        assert stored() == {"a": [(minute, 200.0)]}
