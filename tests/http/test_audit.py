"""The record of decisions and changes: what is in it, that it is chained, and that nothing is decided without it."""
import hashlib
import json
import resource
import signal
import subprocess
import urllib.request

import pytest
import service as under_test
from test_keys import bearer, create

PAIR = [("image1", b"first"), ("image2", b"second")]


def lines_of(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def check(*paths):
    return subprocess.run([under_test.PROGRAM, "audit", *paths], capture_output=True, text=True,
                          env=under_test.clean_environment())


@pytest.fixture
def record(tmp_path):
    return tmp_path / "audit.jsonl"


def test_a_decision_is_recorded_with_what_it_rests_on(record, start_stub):
    service = start_stub("--audit", record)
    told = service.verify([*PAIR, ("max_fmr", "0.01")], X_Request_Id="first").json
    service.verify([*PAIR, ("threshold", "0.25")], X_Request_Id="second")
    assert service.stop() == 0
    first, second = lines_of(record)
    assert first.keys() == {"seq", "prev", "time", "event", "request_id", "key", "route", "model", "version", "rule", "max_fmr",
                            "threshold", "distance", "verified", "subject"}
    assert (first["event"], first["request_id"], first["key"], first["route"]) == ("decision", "first", None, "/v1/verify")
    assert (first["model"], first["version"], first["rule"], first["max_fmr"]) == ("dlib-resnet", "1", "max_fmr", 0.01)
    assert (first["threshold"], first["distance"], first["verified"]) == (told["threshold"], told["distance"], told["verified"])
    assert (second["rule"], second["threshold"], "max_fmr" in second) == ("threshold", 0.25, False)


def test_what_was_not_decided_is_not_recorded(record, start_stub):
    service = start_stub("--audit", record)
    assert service.verify([("image1", b"first")]).status == 400
    assert service.verify([("image1", b"first"), ("image2", b"STUB:no_face")]).status == 422
    assert service.get("/v1/models").status == 200
    assert service.stop() == 0
    assert lines_of(record) == []


def test_comparisons_of_embeddings_are_recorded(record, start_stub):
    service = start_stub("--audit", record)
    tokens = [item["token"] for item in service.embed(b"first", b"second")]
    assert service.compare(*tokens).status == 200
    assert service.stop() == 0
    assert [line["route"] for line in lines_of(record)] == ["/v1/compare"]


def test_a_subject_is_recorded_as_a_keyed_hash(record, start_stub, tmp_path):
    keys = tmp_path / "token-keys"
    keys.write_text("11" * 32 + "\n")
    keys.chmod(0o600)
    for _ in range(2):  # the same hash after a restart
        service = start_stub("--audit", record, "--token-key-file", keys)
        service.verify([*PAIR, ("subject", "somebody@example.org")])
        service.verify([*PAIR, ("subject", "somebody else")])
        assert service.stop() == 0
    key = hashlib.blake2b(b"facepair audit subject", key=bytes.fromhex("11" * 32), digest_size=32).digest()
    expected = [hashlib.blake2b(text, key=key, digest_size=16).hexdigest() for text in (b"somebody@example.org", b"somebody else")]
    assert [line["subject"] for line in lines_of(record)] == expected * 2
    assert b"somebody" not in record.read_bytes()


def test_the_key_that_asked_is_recorded(record, start_stub, tmp_path):
    keys_file = tmp_path / "keys.json"
    key = create(keys_file, "--scope", "verify")
    service = start_stub("--audit", record, "--keys-file", keys_file)
    service.verify(PAIR, **bearer(key))
    assert service.stop() == 0
    assert [line["key"] for line in lines_of(record)] == [key.split("_")[1]]


def test_what_an_operator_changes_is_recorded(record, start_stub):
    service = start_stub("--audit", record)
    path = "/admin/v1/models/dlib-resnet/active"
    headers = {"Content-Type": "application/json", "X-Request-Id": "promotion"}
    for version, status in (("1", 200), ("9", 404)):
        assert service.request("PUT", path, json.dumps({"version": version}), headers, service.admin_port).status == status
    assert service.get("/admin/v1/models", service.admin_port).status == 200
    assert service.stop() == 0
    assert [(line["event"], line["method"], line["route"], line["parameter"], line["status"]) for line in lines_of(record)] == [
        ("admin", "PUT", "/admin/v1/models/{model}/active", "dlib-resnet", status) for status in (200, 404)]


def test_whoever_is_not_known_fills_no_record(record, start_stub, tmp_path):
    keys_file = tmp_path / "keys.json"
    key = create(keys_file, "--scope", "verify")
    service = start_stub("--audit", record, "--keys-file", keys_file)
    promote = ("PUT", "/admin/v1/models/dlib-resnet/active", json.dumps({"version": "1"}))
    json_type = {"Content-Type": "application/json"}
    assert service.request(*promote, json_type, service.admin_port).status == 401
    assert service.request(*promote, json_type | {"Authorization": "Bearer fp_unknown"}, service.admin_port).status == 401
    assert service.request(*promote, json_type | bearer(key), service.admin_port).status == 403
    assert service.stop() == 0
    assert [(line["key"], line["status"]) for line in lines_of(record)] == [(key.split("_")[1], 403)]


def test_the_chain_goes_on_after_a_restart_and_is_checked_by_the_command(record, start_stub):
    for _ in range(3):
        service = start_stub("--audit", record)
        service.verify(PAIR)
        assert service.stop() == 0
    done = check(record)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "3 lines, unbroken")
    record.write_bytes(record.read_bytes().replace(b'"verified":true', b'"verified":null').replace(b'"verified":false',
                                                                                                  b'"verified":wrong'))
    done = check(record)
    assert done.returncode == 1 and "line 2" in done.stderr


def test_a_killed_service_leaves_a_whole_record(record, start_stub):
    """Every answer older than a flush is in it."""
    answered = 0
    for _ in range(5):
        service = start_stub("--audit", record, "--no-trainer")
        for _ in range(20):
            answered += service.verify(PAIR).status == 200
        while len(record.read_bytes().splitlines()) < answered:
            pass
        service.signal(signal.SIGKILL)
        assert service.wait() == -signal.SIGKILL
    assert check(record).stdout.splitlines()[0] == f"{answered} lines, unbroken"


def test_a_large_record_goes_on_in_a_new_file(record, start_stub):
    service = start_stub("--audit", record, "--audit-bytes", "2048")
    for _ in range(30):
        assert service.verify(PAIR).status == 200
    assert service.stop() == 0
    files = sorted(record.parent.glob("audit.jsonl.*"))
    assert len(files) >= 1
    assert check(*files[-7:], record).returncode == 0
    assert sum(len(lines_of(path)) for path in [*files, record]) == 30


def test_a_hash_kept_elsewhere_tells_of_what_is_missing_at_the_end_or_changed_in_the_last_line(record, start_stub):
    service = start_stub("--audit", record)
    for _ in range(3):
        service.verify(PAIR)
    assert service.stop() == 0
    whole = record.read_bytes()
    lines = whole.splitlines(keepends=True)
    kept = hashlib.blake2b(lines[-1].rstrip(), digest_size=32).hexdigest()
    assert check(record).stdout == f"3 lines, unbroken\nfirst 1, last 3, whose hash is {kept}\n"
    assert check(record, "--expect-last", kept).returncode == 0
    for changed in (b"".join(lines[:2]), whole.replace(lines[2], lines[2].replace(b"dlib", b"blid"))):
        record.write_bytes(changed)
        assert check(record).returncode == 0
        done = check(record, "--expect-last", kept)
        assert done.returncode == 1 and "--expect-last" in done.stderr
    assert check(record, "--expect-last", kept[:-1]).returncode == check(record, "--expect-last", kept.upper()).returncode == 2


def test_a_record_without_its_oldest_lines_is_told_as_one(record, start_stub):
    service = start_stub("--audit", record)
    for _ in range(3):
        service.verify(PAIR)
    assert service.stop() == 0
    record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[2:]))
    done = check(record)
    assert done.returncode == 0 and "first 3, last 3" in done.stdout and "lines 1 to 2 are not in these files" in done.stdout


def test_nothing_is_decided_that_cannot_be_recorded(record, start_stub):
    service = start_stub("--audit", record)
    assert service.verify(PAIR).status == 200
    while not record.read_bytes():
        pass
    pid, unlimited = service.process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (len(record.read_bytes()), resource.RLIM_INFINITY))
    while (answer := service.verify(PAIR)).status == 200:  # those whose lines wait
        pass
    assert (answer.status, answer.json["code"]) == (507, "storage_full")
    assert "try again later" in answer.json["detail"] and "make room" not in answer.json["detail"]  # the client has no disk here
    assert service.event("audit_not_written")["file"] == str(record)
    assert service.get("/readyz").status == 200
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    while service.verify(PAIR).status != 200:
        pass
    assert service.stop() == 0
    assert check(record).returncode == 0


def test_the_record_can_be_stdout(stub_data):
    process = subprocess.Popen([under_test.STUB, "serve", "--data", stub_data, "--audit", "-", "--listen", "127.0.0.1:0",
                                "--admin-listen", "127.0.0.1:0", "--no-trainer"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=under_test.clean_environment())
    ready = json.loads(next(line for line in process.stderr if b'"ready"' in line))
    port = int(ready["listen"].rsplit(":", 1)[1])
    body, content_type = under_test.multipart(PAIR)
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/verify", body, {"Content-Type": content_type}))
    assert json.loads(process.stdout.readline())["event"] == "decision"
    process.terminate()
    process.communicate()
    assert process.returncode == 0


def test_a_file_that_is_no_record_refuses_to_start(record, stub_data):
    record.write_text("something else\n")
    done = subprocess.run([under_test.STUB, "serve", "--data", stub_data, "--audit", record], capture_output=True, text=True,
                          env=under_test.clean_environment())
    assert done.returncode == 1 and "is no journal" in done.stderr
