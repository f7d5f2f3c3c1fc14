"""Lock-out of a subject: what counts, what a caller is told, who lifts it, and that it outlives processes and is theirs in common.

The stub's two photographs have a distance between these thresholds, so that a request says whether it will be refused.
"""
import json
import resource
import signal
import sqlite3
import subprocess
import threading
import time

import contract
import pytest
import service as under_test
from test_fine_tunes import add_version
from test_keys import bearer, create

PAIR = [("image1", b"first"), ("image2", b"second")]
NEVER, ALWAYS = ("threshold", "0.000001"), ("threshold", "1000")
SHOW, LIFT = "/admin/v1/subjects/show", "/admin/v1/subjects/lift"


def attempt(service, subject="alice", rule=NEVER, pair=PAIR, **headers):
    return service.verify([*pair, rule, ("subject", subject)], **headers)


def refuse(service, count, subject="alice"):
    for _ in range(count):
        answer = attempt(service, subject)
        assert (answer.status, answer.json["verified"]) == (200, False), answer.body


def ask(service, path, subject="alice", **headers):
    return service.request("POST", path, json.dumps({"subject": subject}), {"Content-Type": "application/json"} | headers,
                           service.admin_port)


def refusals(service, subject="alice"):
    return ask(service, SHOW, subject).json["refusals"]


@pytest.fixture
def data(tmp_path):
    return under_test.write_stub_data(tmp_path / "data", dlib_resnet={})


@pytest.fixture
def start(start_stub, data):
    return lambda *options, **environment: start_stub("--no-trainer", *options, data=data, **environment)


@pytest.fixture
def service(start):
    return start()


def test_five_refusals_in_a_row_make_the_next_try_wait(service, openapi):
    refuse(service, 5)
    answer = attempt(service)
    contract.check_problem(openapi, "/v1/verify", "post", answer, 429, "subject_locked")
    assert answer.codes == [("subject_locked", "subject")]
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert attempt(service, rule=ALWAYS).status == 429  # it would have matched
    assert attempt(service, "bob").status == 200
    assert service.verify([*PAIR, NEVER]).status == 200
    assert b'facepair_rejected_total{reason="subject_locked"} 2\n' in service.get("/metrics", service.admin_port).body


def test_after_the_wait_one_try_is_let_through(start):
    service = start("--lockout-seconds=1")
    refuse(service, 5)
    while attempt(service).status == 429:
        time.sleep(0.05)
    assert refusals(service) == 6
    assert attempt(service).status == 429


def test_a_match_makes_refusals_forgotten(service):
    refuse(service, 4)
    assert attempt(service, rule=ALWAYS).json["verified"] is True
    refuse(service, 5)
    assert attempt(service).status == 429


def test_what_is_not_decided_does_not_count(service):
    for image in (b"STUB:no_face", b"STUB:invalid_image", b"STUB:internal"):
        for _ in range(6):
            assert attempt(service, pair=[PAIR[0], ("image2", image)]).status in (422, 500)
    for rule in (("max_fmr", "0.00000001"), ("threshold", "x")):
        assert attempt(service, rule=rule).status == 400
    refuse(service, 5)
    assert refusals(service) == 5


def test_a_client_that_left_was_not_tried(start):
    service = start(FACEPAIR_STUB_BATCH_US="500000")
    body, content_type = under_test.multipart([*PAIR, NEVER, ("subject", "alice")])
    with service.connect() as connection:
        connection.sendall(under_test.head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]) + body)
        while ask(service, SHOW).json["state"] != "open" or b"facepair_http_in_flight 2" not in service.get(
                "/metrics", service.admin_port).body:
            time.sleep(0.01)
    service.event("request", status=499)
    assert refusals(service) == 0


def test_forms_json_and_comparisons_count_together(service):
    tokens = [item["token"] for item in service.embed(b"first", b"second")]
    refuse(service, 2)
    for _ in range(2):
        members = {"image1": under_test.encoded(b"first"), "image2": under_test.encoded(b"second"), "threshold": 1e-6}
        assert service.verify_json(members | {"subject": "alice"}).json["verified"] is False
    assert service.compare(*tokens, threshold=1e-6, subject="alice").json["verified"] is False
    answer = service.compare(*tokens, threshold=1e-6, subject="alice")
    assert (answer.status, answer.codes) == (429, [("subject_locked", "subject")])


# ---- retries ----

def test_a_retry_counts_once(service):
    for _ in range(8):
        assert attempt(service, X_Request_Id="the-same").status == 200
    assert refusals(service) == 1
    refuse(service, 4)
    assert attempt(service).status == 429
    assert attempt(service, X_Request_Id="the-same").status == 200  # it tells nothing new


def test_an_id_of_another_version_is_no_retry(service, data):
    for number in range(5):
        assert attempt(service, X_Request_Id=f"try-{number}").status == 200
    add_version(data, version="2")
    answer = service.request("PUT", "/admin/v1/models/dlib-resnet/active", json.dumps({"version": "2"}),
                             {"Content-Type": "application/json"}, service.admin_port)
    assert answer.status == 200
    assert attempt(service, X_Request_Id="try-0").status == 429


@pytest.mark.parametrize("change", [{"pair": [PAIR[0], ("image2", b"another")]}, {"rule": ("threshold", "0.0000011")},
                                    {"pair": [("image1", b"firs"), ("image2", b"tsecond")]}])
def test_an_id_with_other_content_is_no_retry(service, change):
    assert attempt(service, X_Request_Id="the-same").status == 200
    assert attempt(service, X_Request_Id="the-same", **change).status == 200
    assert refusals(service) == 2


def test_without_an_id_of_the_clients_own_each_counts(service):
    for _ in range(2):
        assert attempt(service, X_Request_Id="not well-formed").status == 200
    assert refusals(service) == 2


# ---- side by side ----

def test_tries_side_by_side_do_not_slip_past_the_count(start):
    service = start(FACEPAIR_STUB_BATCH_US="20000")
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(attempt(service))) for _ in range(40)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sorted(answer.status for answer in answers) == [200] * 5 + [429] * 35
    assert refusals(service) == 5


def test_only_who_names_a_subject_waits_for_the_file(service, data):
    answers = []
    # As it starts it looks once for what has been kept long enough.
    service.await_metric('facepair_queue_length{queue="lockout"} 0')
    holder = sqlite3.connect(data / "subjects.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=lambda: answers.append(attempt(service).status))
    waiting.start()
    for _ in range(20):
        assert service.verify(PAIR).status == 200
    assert answers == []
    holder.execute("ROLLBACK")
    waiting.join()
    assert answers == [200]


@pytest.fixture
def file(service, data):
    """Nobody else can change it between begin and end."""
    service.await_metric('facepair_queue_length{queue="lockout"} 0')
    return sqlite3.connect(data / "subjects.sqlite", isolation_level=None)


def test_who_waits_for_the_file_is_answered_at_the_deadline(service, file):
    file.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    answer = attempt(service, X_Request_Timeout_Ms="100")
    assert (answer.status, answer.codes) == (504, [("deadline_exceeded", None)])
    assert time.monotonic() - begun < 4  # the service itself waits 5 s for the file
    file.execute("ROLLBACK")
    refuse(service, 5)  # it has not happened
    assert attempt(service).status == 429


def test_a_try_whose_request_has_ended_keeps_no_process_from_its_end(service, file):
    file.execute("BEGIN IMMEDIATE")
    assert attempt(service, X_Request_Timeout_Ms="100").status == 504
    service.signal(signal.SIGTERM)
    time.sleep(0.5)
    file.execute("ROLLBACK")
    assert service.wait() == 0


def test_a_refusal_that_comes_too_late_to_be_told_counts(start, data):
    service = start(FACEPAIR_STUB_BATCH_US="500000")
    file = sqlite3.connect(data / "subjects.sqlite", isolation_level=None)
    answers = []
    client = threading.Thread(target=lambda: answers.append(attempt(service, X_Request_Timeout_Ms="1500")))
    client.start()
    under_test.wait_until(lambda: file.execute("SELECT count(*) FROM tries").fetchone() == (1,))
    file.execute("BEGIN IMMEDIATE")
    client.join()
    assert [answer.status for answer in answers] == [504]
    file.execute("ROLLBACK")
    service.await_metric('facepair_queue_length{queue="lockout"} 0')
    assert refusals(service) == 1


def test_nothing_is_written_for_who_names_no_subject(service, data):
    refuse(service, 1)
    before = (data / "subjects.sqlite-wal").stat()
    for _ in range(20):
        assert service.verify(PAIR).status == 200
    after = (data / "subjects.sqlite-wal").stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)


# ---- the file ----

@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_refusals_outlive_the_process(start, end):
    service = start()
    refuse(service, 5)
    service.signal(end)
    service.wait()
    assert attempt(start()).status == 429


def test_all_that_was_kept_long_enough_goes_in_one_round(start, data):
    start().stop()
    database = sqlite3.connect(data / "subjects.sqlite", isolation_level=None)
    database.execute("WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 9000)"
                     " INSERT INTO tries (subject, request, begun_ms, holders) SELECT 'of long ago', n, n, 0 FROM count")
    service, end = start(), time.monotonic() + 30  # the next round is a minute later
    while database.execute("SELECT count(*) FROM tries").fetchone() != (0,):
        assert time.monotonic() < end
        time.sleep(0.05)
    refuse(service, 1)


def test_processes_with_one_folder_count_together(start, tmp_path):
    folder = tmp_path / "lockout"
    folder.mkdir()
    first, second = (start("--role", "serve", "--lockout-data", folder) for _ in range(2))
    refuse(first, 3)
    refuse(second, 2)
    assert [attempt(first).status, attempt(second).status] == [429, 429]


def test_what_cannot_be_counted_is_not_told(service):
    refuse(service, 1)
    pid, unlimited = service.process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    answers = [attempt(service) for _ in range(8)]
    assert all(answer.status in (500, 507) for answer in answers)
    assert service.verify(PAIR).status == 200
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    refuse(service, 4)
    assert attempt(service).status == 429


def test_a_disk_that_takes_no_refusal_tells_nothing_of_a_match(start, tmp_path):
    no_sync = tmp_path / "no-sync"
    service = start(FACEPAIR_STUB_NO_SYNC=str(no_sync))
    assert attempt(service, rule=ALWAYS).status == 200
    no_sync.touch()
    assert [attempt(service).status for _ in range(8)] == [500] * 8
    assert attempt(service, rule=ALWAYS).status == 500
    no_sync.unlink()
    refuse(service, 1, "bob")


def test_what_was_decided_and_could_not_be_written_counts_as_under_way(start, data, tmp_path):
    no_sync = tmp_path / "no-sync"
    service = start("--queue-ms=10000", FACEPAIR_STUB_NO_SYNC=str(no_sync), FACEPAIR_STUB_BATCH_US="500000")
    file = sqlite3.connect(data / "subjects.sqlite", isolation_level=None)
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(attempt(service).status)) for _ in range(5)]
    for client in clients:
        client.start()
    under_test.wait_until(lambda: file.execute("SELECT count(*) FROM tries").fetchone() == (5,))
    no_sync.touch()
    for client in clients:
        client.join()
    no_sync.unlink()
    assert answers == [500] * 5
    assert attempt(service, rule=ALWAYS).status == 429


def refused_to_start(*options, code=1):
    done = subprocess.run([under_test.STUB, "serve", "--listen", "127.0.0.1:0", *options], capture_output=True, text=True,
                          env=under_test.clean_environment(), timeout=under_test.PATIENCE_S)
    assert done.returncode == code
    return done.stderr


def test_role_serve_needs_a_place_to_count_in(data, tmp_path):
    assert "--lockout-data" in refused_to_start("--data", data, "--role", "serve")
    assert "No such file" in refused_to_start("--data", data, "--role", "serve", "--lockout-data", tmp_path / "none")


def test_a_limit_below_the_free_refusals_is_wrong_usage(data):
    assert "--lockout-limit" in refused_to_start("--data", data, "--lockout-refusals=6", "--lockout-limit=5", code=2)


def test_a_place_to_count_in_where_nothing_is_counted_is_wrong_usage(data, tmp_path):
    assert "--lockout off" in refused_to_start("--data", data, "--lockout=off", "--lockout-data", tmp_path, code=2)


def test_without_counting_the_answer_says_so(start, data, openapi):
    service = start("--lockout=off")
    for _ in range(7):
        answer = attempt(service)
        contract.check(openapi, "/v1/verify", "post", answer)
        assert "subject_not_counted" in answer.json["warnings"]
    assert "subject_not_counted" not in service.verify([*PAIR, NEVER]).json["warnings"]
    assert ask(service, SHOW).status == 404
    assert not (data / "subjects.sqlite").exists()


def test_the_limits_are_told(start):
    told = start("--lockout-refusals=3", "--lockout-seconds=60", "--lockout-limit=9").get("/v1/info").json["lockout"]
    assert told == {"refusals_free": 3, "wait_s": 60, "refusals_max": 9}
    assert start("--lockout=off").get("/v1/info").json["lockout"] is None


# ---- operators ----

def test_too_many_refusals_disable_a_subject_until_an_operator_lifts_it(start, tmp_path, openapi):
    record = tmp_path / "audit.jsonl"
    service = start("--lockout-refusals=3", "--lockout-limit=3", "--audit", record)
    refuse(service, 3)
    contract.check_problem(openapi, "/v1/verify", "post", attempt(service), 403, "subject_disabled")
    shown = ask(service, SHOW)
    contract.check(openapi, SHOW, "post", shown)
    assert (shown.json["state"], shown.json["refusals"]) == ("disabled", 3)
    service.event("subject_disabled", refusals=3)
    lifted = ask(service, LIFT)
    contract.check(openapi, LIFT, "post", lifted)
    assert (lifted.json["state"], lifted.json["refusals"], lifted.json["refused_at"]) == ("open", 0, None)
    refuse(service, 1)
    assert service.stop() == 0
    lines = [json.loads(line) for line in record.read_bytes().splitlines()]
    assert [line["event"] for line in lines] == ["decision"] * 3 + ["admin", "subject_lifted", "admin", "decision"]
    assert lines[4]["subject"] == lines[0]["subject"] and lines[4]["refusals"] == 3
    assert b"alice" not in record.read_bytes()


def lift(folder, subject="alice", said=None):
    return subprocess.run([under_test.PROGRAM, "subject", "lift", "--lockout-data", folder, subject], input=said, capture_output=True,
                          text=True, env=under_test.clean_environment())


@pytest.mark.parametrize("subject, said", [("alice", None), ("-", "alice\n"), ("-", "alice")])
def test_a_command_lifts_it_where_there_is_no_admin_listener(start, tmp_path, subject, said):
    service = start("--role=serve", "--lockout-data", tmp_path, "--lockout-limit=5")
    refuse(service, 5)
    assert attempt(service).json["code"] == "subject_disabled"
    done = lift(tmp_path, subject, said)
    assert (done.returncode, done.stdout) == (0, "5 refusals in a row are forgotten\n")
    refuse(service, 1)


def test_the_command_makes_no_counts_where_there_are_none(tmp_path):
    done = lift(tmp_path)
    assert done.returncode == 1 and "subjects.sqlite" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_subject_is_shown_as_it_stands(service):
    assert ask(service, SHOW).json == {"object": "subject", "state": "open", "refusals": 0, "retry_after_s": 0,
                                       "refused_at": None}
    refuse(service, 5)
    shown = ask(service, SHOW).json
    assert (shown["state"], shown["refusals"]) == ("locked", 5) and 1 <= shown["retry_after_s"] <= 30
    assert ask(service, LIFT).json["state"] == "open"
    refuse(service, 1)


def test_lifting_needs_its_scope(start, tmp_path):
    keys = tmp_path / "keys.json"
    own, other = create(keys, "--scope", "subjects:write"), create(keys, "--scope", "jobs:write,models:promote")
    service = start("--keys-file", keys)
    assert ask(service, LIFT, **bearer(own)).status == 200
    answer = ask(service, LIFT, **bearer(other))
    assert (answer.status, answer.json["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize("body, codes", [
    ("{}", [("missing_field", "subject")]), ('{"subject": ""}', [("invalid_field", "subject")]),
    ('{"subject": 5}', [("invalid_field", "subject")]), (json.dumps({"subject": "x" * 129}), [("invalid_field", "subject")]),
    ('{"subject": "a", "other": 1}', [("unknown_field", "other")]), ("", [("invalid_json", None)]),
    ('{"subject": "a", "subject": "b"}', [("duplicate_field", "subject")])])
def test_what_is_asked_of_subjects_is_checked(stub, body, codes):
    for path in (SHOW, LIFT):
        answer = stub.request("POST", path, body, {"Content-Type": "application/json"}, stub.admin_port)
        assert (answer.status, answer.codes) == (400, codes)


def test_a_subject_that_is_no_text_is_refused(service):
    body, content_type = under_test.multipart([*PAIR, ("subject", "NAME")])
    answer = service.request("POST", "/v1/verify", body.replace(b"NAME", b"\xff\xfe"), {"Content-Type": content_type})
    assert (answer.status, answer.codes) == (400, [("invalid_field", "subject")])
