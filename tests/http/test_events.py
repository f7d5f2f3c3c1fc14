"""Events of a job: in pages, and as a stream."""
import http.client
import json
import signal
import socket
import time

import contract
import pytest
from data_sets import FINE_TUNES, Admin, archive, people, small_photograph
from service import PATIENCE_S, write_stub_data
from test_keys import bearer, create, key_command

EVENTS = FINE_TUNES + "/{job}/events"
BODY = {"base_model": "dlib-resnet", "dataset": "cameras"}
NOBODY = "ft_01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def admin(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", data=data), data)
    admin.ready("cameras")
    return admin


class Stream:
    """text/event-stream as it comes: (id, event, data) or ":" for a comment."""

    def __init__(self, admin, job, query="", **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", admin.service.admin_port, timeout=PATIENCE_S)
        self.connection.request("GET", f"{FINE_TUNES}/{job}/events{query}",
                                headers={"Accept": "text/event-stream"} | {k.replace("_", "-"): v for k, v in headers.items()})
        self.answer = self.connection.getresponse()

    def next(self):
        """None at the end."""
        lines = []
        while True:
            line = self.answer.readline().decode()
            if not line:
                return None
            if line == "\n":
                break
            lines.append(line.rstrip("\n"))
        if lines == [":"]:
            return ":"
        fields = dict(line.split(": ", 1) for line in lines)
        assert list(fields) == ["id", "event", "data"]
        return int(fields["id"]), fields["event"], json.loads(fields["data"])

    def rest(self):
        return [event for event in iter(self.next, None) if event != ":"]

    def close(self):
        self.connection.close()


def run_to_the_end(admin):
    job = admin.create(BODY).json["id"]
    claim = admin.claim()
    admin.drive("metrics", *claim, 1, 0.5, 0.75)
    admin.drive("log", *claim, "a line\nand another")
    admin.drive("evaluating", *claim)
    admin.drive("finish", *claim, "succeeded", "dlib-resnet", "2", "worse", "{}")
    return job


def test_pages_tell_everything_in_order(admin, openapi):
    job = run_to_the_end(admin)
    first = admin.request("GET", f"{FINE_TUNES}/{job}/events?limit=4")
    contract.check(openapi, EVENTS, "get", first)
    second = admin.request("GET", first.json["next"])
    contract.check(openapi, EVENTS, "get", second)
    events = first.json["data"] + second.json["data"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    states = [event["data"]["status"] for event in events if event["event"] == "state"]
    assert states == ["queued", "running", "evaluating", "succeeded"]
    assert (second.json["has_more"], second.json["next"]) == (False, None)
    assert {event["event"] for event in events} == {"state", "metrics", "log"}


def test_a_stream_tells_the_same_and_ends_behind_the_final_state(admin):
    job = run_to_the_end(admin)
    pages = admin.request("GET", f"{FINE_TUNES}/{job}/events?limit=100").json["data"]
    stream = Stream(admin, job)
    assert stream.answer.status == 200 and stream.answer.headers["Content-Type"] == "text/event-stream"
    assert stream.answer.headers["Cache-Control"] == "no-store"
    assert stream.rest() == [(event["id"], event["event"], event["data"]) for event in pages]


def test_events_come_as_they_happen(admin):
    job = admin.create(BODY).json["id"]
    stream = Stream(admin, job)
    assert stream.next()[1:] == ("state", {"status": "queued", "attempt": 1})
    claim = admin.claim()
    assert stream.next()[2]["status"] == "running"
    admin.drive("metrics", *claim, 1, 0.5, 0.75)
    number, event, data = stream.next()
    assert (number, event, data["train_loss"]) == (3, "metrics", 0.5)
    admin.drive("fail", *claim, "internal", "Something broke.")
    assert [data.get("error") for _, _, data in stream.rest()] == [{"code": "internal", "message": "Something broke."}]


@pytest.mark.parametrize("query, headers", [("?after=2", {}), ("", {"Last_Event_ID": "2"}), ("?after=1", {"Last_Event_ID": "2"})])
def test_a_stream_begins_behind_the_last_event_seen(admin, query, headers):
    job = run_to_the_end(admin)
    assert [number for number, _, _ in Stream(admin, job, query, **headers).rest()] == [3, 4, 5, 6]


def test_who_comes_back_after_the_end_is_sent_away(admin):
    job = run_to_the_end(admin)
    last = Stream(admin, job).rest()[-1][0]
    answer = Stream(admin, job, Last_Event_ID=str(last)).answer
    assert (answer.status, answer.read()) == (204, b"")


def test_a_stream_waits_for_the_outcome_of_a_wished_promotion(admin):
    job = admin.create(BODY | {"promote": "if_better"}).json["id"]
    claim = admin.claim()
    admin.drive("evaluating", *claim)
    stream = Stream(admin, job)
    admin.drive("finish", *claim, "succeeded", "dlib-resnet", "2", "worse", "{}")
    events = stream.rest()
    assert events[-2][2]["status"] == "succeeded"
    assert events[-1][2]["promotion"]["status"] == "refused"


def test_a_silent_stream_has_a_comment(admin):
    job = admin.create(BODY).json["id"]
    stream = Stream(admin, job)
    stream.next()
    begun = time.monotonic()
    assert stream.next() == ":"
    assert time.monotonic() - begun < PATIENCE_S
    stream.close()


def test_a_stream_of_a_job_that_is_deleted_ends(admin):
    job = admin.create(BODY | {"promote": "if_better"}).json["id"]
    admin.tell(job, "cancel")
    stream = Stream(admin, job)
    assert stream.rest()[-1][2]["status"] == "cancelled"


def test_a_stream_ends_when_its_key_is_revoked(start_stub, tmp_path):
    data, keys_file = write_stub_data(tmp_path / "data", dlib_resnet={}), tmp_path / "keys.json"
    keys = [create(keys_file, "--scope", "datasets:write,jobs:write") for _ in range(2)]
    admin = Admin(start_stub("--no-trainer", "--keys-file", keys_file, data=data), data)
    assert admin.upload("cameras", archive(people(small_photograph(), Ada=2, Bo=2)), **bearer(keys[0])).status == 201
    admin.drive("check", "cameras", "ready")
    job = admin.create(BODY, **bearer(keys[0])).json["id"]
    streams = [Stream(admin, job, **bearer(key)) for key in keys]
    assert [stream.next()[1] for stream in streams] == ["state"] * 2
    assert key_command("revoke", keys[0].split("_")[1], "--keys-file", keys_file).returncode == 0
    admin.service.signal(signal.SIGHUP)
    assert streams[0].rest() == []
    admin.drive("metrics", *admin.claim(), 1, 0.5, 0.75)
    assert streams[1].next()[2]["status"] == "running"


def test_there_are_at_most_32_streams_and_a_client_that_leaves_makes_room(admin, openapi):
    job = admin.create(BODY).json["id"]
    streams = [Stream(admin, job) for _ in range(32)]
    assert all(stream.answer.status == 200 for stream in streams)
    refused = admin.request("GET", f"{FINE_TUNES}/{job}/events", Accept="text/event-stream")
    contract.check_problem(openapi, EVENTS, "get", refused, 503, "overloaded")
    assert refused.headers["Retry-After"] == "5"
    assert admin.request("GET", f"{FINE_TUNES}/{job}/events").status == 200  # a page is no stream
    streams.pop().close()
    end = time.monotonic() + PATIENCE_S
    while (stream := Stream(admin, job)).answer.status == 503 and time.monotonic() < end:
        stream.close()
    assert stream.answer.status == 200
    for stream in streams:
        stream.close()


def test_a_client_that_does_not_read_holds_nobody_up(admin):
    job = admin.create(BODY).json["id"]
    claim = admin.claim()
    deaf = socket.create_connection(("127.0.0.1", admin.service.admin_port), timeout=PATIENCE_S)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(f"GET {FINE_TUNES}/{job}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
    for _ in range(40):
        admin.drive("log", *claim, "x" * 100_000)
    stream = Stream(admin, job)
    assert len([stream.next() for _ in range(42)]) == 42
    assert admin.service.get("/readyz").status == 200
    deaf.close()
    stream.close()


def test_streams_end_first_when_the_service_drains(admin):
    job = admin.create(BODY).json["id"]
    stream = Stream(admin, job)
    stream.next()
    admin.service.signal()
    assert stream.next() is None
    assert admin.service.wait() == 0


@pytest.mark.parametrize("job, query, headers, status, code", [
    (NOBODY, "", {}, 404, "not_found"), ("ft_1", "", {}, 400, "invalid_name"), (NOBODY, "?after=x", {}, 400, "invalid_field"),
    (NOBODY, "?from=1", {}, 400, "unknown_field"),
    (NOBODY, "", {"Accept": "text/event-stream", "Last_Event_ID": "x"}, 400, "invalid_header"),
    (NOBODY, "", {"Accept": "text/event-stream"}, 404, "not_found")])
def test_what_cannot_be_followed_is_told(stub, openapi, job, query, headers, status, code):
    answer = Admin(stub, None).request("GET", f"{FINE_TUNES}/{job}/events{query}", **headers)
    contract.check_problem(openapi, EVENTS, "get", answer, status, code)
