"""Callers' keys: who is let in, for what and how often; reading them anew; listening beyond loopback."""
import signal
import subprocess
import time

import contract
import disk_queue
import pytest
import service as under_test
from test_errors import OPERATIONS, port_of

SCOPES = ["verify", "embed", "embed:raw", "models:read", "metrics:read", "datasets:write", "jobs:write", "models:promote",
          "subjects:write"]
SCOPED = [(path, method, operation["security"][0]["bearer"][0]) for path, method, operation in OPERATIONS
          if "security" in operation]
PAIR = [("image1", b"first"), ("image2", b"second")]


def key_command(*arguments):
    return subprocess.run([under_test.PROGRAM, "key", *arguments], capture_output=True, text=True,
                          env=under_test.clean_environment())


def create(keys_file, *options):
    done = key_command("create", "--keys-file", keys_file, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def keys_file(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def guarded(keys_file, start_stub):
    """A service with the key of one who may verify; (service, key)."""
    key = create(keys_file, "--scope", "verify", "--name", "web shop")
    return start_stub("--keys-file", keys_file), key


def refused(answer, status, code):
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    return answer


def test_a_request_without_a_key_is_told_how_to_send_one(guarded):
    service, _ = guarded
    answer = refused(service.verify(PAIR), 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="facepair"'
    assert "Authorization: Bearer" in answer.json["detail"]


def test_a_key_opens_what_its_scope_says(guarded):
    service, key = guarded
    assert service.verify(PAIR, Authorization=f"Bearer {key}").status == 200
    assert service.verify(PAIR, Authorization=f"bearer  {key}").status == 200
    assert service.verify(PAIR, X_Api_Key=key).status == 200


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/dlib-resnet"])
def test_a_key_without_the_scope_is_told_which(guarded, path):
    service, key = guarded
    answer = refused(service.request("GET", path, headers=bearer(key)), 403, "insufficient_scope")
    assert "models:read" in answer.json["detail"]


def test_another_secret_another_id_and_another_scheme_open_nothing(guarded):
    service, key = guarded
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), key.replace("fp_", "fq_"), key + "A", key[:-1], "fp_", ""):
        refused(service.verify(PAIR, Authorization=f"Bearer {wrong}"), 401, "unauthorized")
    refused(service.verify(PAIR, Authorization=f"Basic {key}"), 401, "unauthorized")


@pytest.mark.parametrize("lines", [("Authorization: Bearer {}", "Authorization: Bearer fp_other"),
                                   ("Authorization: Bearer fp_other", "X-Api-Key: {}"), ("X-Api-Key: {}", "x-api-key: {}")])
def test_two_keys_are_one_too_many(guarded, lines):
    """Whatever stands before the service may have looked at the other one."""
    service, key = guarded
    with service.connect() as connection:
        connection.sendall(under_test.head(service, [line.format(key) for line in lines], method="GET", path="/v1/info"))
        refused(under_test.read_answer(connection, "GET"), 400, "invalid_header")


def test_a_key_in_the_url_opens_nothing(guarded):
    service, key = guarded
    refused(service.verify(PAIR, path=f"/v1/verify?key={key}"), 401, "unauthorized")


def test_probes_and_the_description_need_no_key(guarded):
    service, _ = guarded
    for path in ("/livez", "/healthz", "/readyz", "/startupz", "/v1/info", "/openapi.json"):
        assert service.get(path).status == 200


def test_metrics_need_a_key_on_the_admin_listener_and_none_on_their_own(keys_file, start_stub):
    key = create(keys_file, "--scope", "metrics:read")
    service = start_stub("--keys-file", keys_file, "--metrics-listen", "127.0.0.1:0")
    refused(service.get("/metrics", service.admin_port), 401, "unauthorized")
    assert service.request("GET", "/metrics", headers=bearer(key), port=service.admin_port).status == 200
    assert service.get("/metrics", service.metrics_port).status == 200


@pytest.fixture(scope="module")
def scoped(tmp_path_factory, start_stub):
    """A service, a key without each scope by that scope's name, and one of all scopes that may call no more."""
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    without = {scope: create(keys_file, "--scope", ",".join(set(SCOPES) - {scope})) for scope in SCOPES}
    spent = create(keys_file, "--scope", ",".join(SCOPES), "--rate", "0.001", "--burst", "1")
    service = start_stub("--keys-file", keys_file)
    assert service.verify(PAIR, Authorization=f"Bearer {spent}").status == 200
    return service, without, spent


@pytest.mark.parametrize("path, method, scope", SCOPED, ids=lambda value: str(value))
def test_each_operation_asks_for_its_scope(scoped, openapi, path, method, scope):
    service, without, spent = scoped

    def send(headers):
        body = b"{}" if method in ("put", "post") else None
        headers = headers | ({"Content-Type": "application/json"} if body else {})
        return service.request(method.upper(), contract.concrete(path), body, headers, port_of(service, path))

    contract.check_problem(openapi, path, method, send({}), 401, "unauthorized")
    contract.check_problem(openapi, path, method, send(bearer(without[scope])), 403, "insufficient_scope")
    contract.check_problem(openapi, path, method, send(bearer(spent)), 429, "rate_limited")


def test_every_operation_but_these_asks_for_a_scope(openapi):
    open_ones = {path for path, _, operation in contract.operations(openapi) if "security" not in operation}
    assert open_ones == {"/livez", "/healthz", "/readyz", "/startupz", "/v1/info", "/openapi.json"}


def test_with_keys_any_host_is_served(guarded):
    service, key = guarded
    assert service.verify(PAIR, Authorization=f"Bearer {key}", Host="verify.example").status == 200


def test_a_key_may_call_as_often_as_it_says(keys_file, start_stub):
    key = create(keys_file, "--scope", "verify", "--rate", "0.01", "--burst", "3")
    other = create(keys_file, "--scope", "verify")
    service = start_stub("--keys-file", keys_file)
    for _ in range(3):
        assert service.verify(PAIR, Authorization=f"Bearer {key}").status == 200
    answer = refused(service.verify(PAIR, Authorization=f"Bearer {key}"), 429, "rate_limited")
    assert 90 <= int(answer.headers["Retry-After"]) <= 100
    assert service.verify(PAIR, Authorization=f"Bearer {other}").status == 200


def test_components_are_for_the_scope_embed_raw(keys_file, start_stub):
    plain, raw = create(keys_file, "--scope", "embed"), create(keys_file, "--scope", "embed,embed:raw")
    service = start_stub("--keys-file", keys_file, "--allow-raw-embeddings")
    parts = [("image1", b"first"), ("raw", "true")]
    refused(service.post_form("/v1/embeddings", parts, Authorization=f"Bearer {plain}"), 403, "insufficient_scope")
    assert service.post_form("/v1/embeddings", parts, Authorization=f"Bearer {raw}").status == 200


def test_keys_are_read_anew_at_sighup(guarded, keys_file):
    service, key = guarded
    second = create(keys_file, "--scope", "verify")
    assert service.verify(PAIR, Authorization=f"Bearer {second}").status == 401
    assert key_command("revoke", key.split("_")[1], "--keys-file", keys_file).returncode == 0
    service.signal(signal.SIGHUP)
    service.event("keys_reloaded", count=1)
    assert service.verify(PAIR, Authorization=f"Bearer {second}").status == 200
    assert service.verify(PAIR, Authorization=f"Bearer {key}").status == 401


def test_a_revocation_while_it_starts_is_not_lost(stub_data, keys_file, tmp_path):
    """The keys are read by the time that the record is opened."""
    key, record = create(keys_file, "--scope", "verify"), tmp_path / "audit.jsonl"

    def revoke(service):
        service.event("sandbox")
        time.sleep(0.5)
        assert key_command("revoke", key.split("_")[1], "--keys-file", keys_file).returncode == 0
        service.signal(signal.SIGHUP)
        time.sleep(0.1)
        record.with_name("audit.jsonl.hangs").unlink()

    with under_test.hanging(record):
        service = under_test.Service(under_test.STUB, stub_data, "--keys-file", keys_file, "--audit", record, starting=revoke)
    service.event("keys_reloaded")
    assert service.verify(PAIR, **bearer(key)).status == 401
    assert service.stop() == 0


def test_a_revocation_waits_for_no_disk_that_is_busy(start_stub, keys_file, tmp_path):
    data = under_test.write_stub_data(tmp_path / "data", dlib_resnet={})
    operator, revoked = create(keys_file, "--scope", "jobs:write,metrics:read"), create(keys_file, "--scope", "verify")
    service = start_stub("--keys-file", keys_file, "--no-trainer", data=data)
    with disk_queue.full(service, data, **bearer(operator)):
        assert key_command("revoke", revoked.split("_")[1], "--keys-file", keys_file).returncode == 0
        service.signal(signal.SIGHUP)
        service.event("keys_reloaded", count=1)
        assert service.verify(PAIR, **bearer(revoked)).status == 401


def test_a_revocation_waits_for_no_volume_of_models_that_hangs(start_stub, keys_file, tmp_path):
    data = under_test.write_stub_data(tmp_path / "data", dlib_resnet={})
    revoked = create(keys_file, "--scope", "verify")
    service = start_stub("--keys-file", keys_file, "--no-trainer", data=data)
    with under_test.hanging(data / "models" / "dlib-resnet" / "active"):
        time.sleep(1)  # it looks twice a second
        assert key_command("revoke", revoked.split("_")[1], "--keys-file", keys_file).returncode == 0
        service.signal(signal.SIGHUP)
        service.event("keys_reloaded", count=0)
        assert service.verify(PAIR, **bearer(revoked)).status == 401


def test_a_revocation_waits_for_its_own_file_says_so_and_is_not_lost(start_stub, keys_file):
    revoked = create(keys_file, "--scope", "verify")
    service = start_stub("--keys-file", keys_file)

    def told(event):
        return sum(f'"{event}"' in line for line in service.log)

    with under_test.hanging(keys_file):
        service.signal(signal.SIGHUP)
        assert service.event("keys_reload_waits")["file"] == str(keys_file)
        assert key_command("revoke", revoked.split("_")[1], "--keys-file", keys_file).returncode == 0
        for _ in range(3):
            service.signal(signal.SIGHUP)
            time.sleep(0.1)
        assert service.verify(PAIR, **bearer(revoked)).status == 200
    under_test.wait_until(lambda: told("keys_reloaded") == 2)  # one for all that were sent meanwhile
    assert service.verify(PAIR, **bearer(revoked)).status == 401
    assert (told("keys_reload_waits"), told("keys_reloaded")) == (1, 2)


def test_a_file_that_became_faulty_changes_nothing(guarded, keys_file):
    service, key = guarded
    keys_file.write_text("{")
    service.signal(signal.SIGHUP)
    service.event("keys_not_reloaded")
    assert service.verify(PAIR, Authorization=f"Bearer {key}").status == 200


def test_the_log_names_the_key_and_never_its_secret(guarded):
    service, key = guarded
    service.verify(PAIR, Authorization=f"Bearer {key}", X_Request_Id="with-a-key")
    service.event("request", request_id="with-a-key", key=key.split("_")[1])
    assert key[20:] not in "".join(service.log)


def test_without_a_key_the_body_is_not_waited_for(guarded):
    service, _ = guarded
    head = b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n\r\n"
    answers = service.raw(head)
    assert answers[0].status == 401


def test_keys_allow_listening_beyond_loopback(keys_file, start_stub, stub_data):
    create(keys_file, "--scope", "verify")
    assert start_stub("--keys-file", keys_file, "--listen", "0.0.0.0:0").get("/livez").status == 200
    done = subprocess.run([under_test.STUB, "serve", "--data", stub_data, "--listen", "0.0.0.0:0"], capture_output=True,
                          text=True, env=under_test.clean_environment())
    assert done.returncode == 1 and "--keys-file" in done.stderr


def test_a_faulty_file_refuses_to_start(keys_file, stub_data):
    for text, told in (("{", "keys.json"), ('{"keys": [{}]}', "id")):
        keys_file.write_text(text)
        done = subprocess.run([under_test.STUB, "serve", "--data", stub_data, "--keys-file", keys_file], capture_output=True,
                              text=True, env=under_test.clean_environment())
        assert done.returncode == 1 and told in done.stderr


def test_the_command_tells_a_key_once_and_lists_the_rest(keys_file):
    key = create(keys_file, "--scope", "verify,models:read", "--name", "web shop", "--rate", "5")
    listed = key_command("list", "--keys-file", keys_file).stdout
    assert key.split("_")[1] in listed and "verify,models:read" in listed and "web shop" in listed and "5/s" in listed
    assert key[20:] not in listed and key[20:] not in keys_file.read_text()


def test_the_commands_mistakes_are_told(keys_file):
    create(keys_file, "--scope", "verify")
    for arguments, code, told in (((), 2, "create"), (("frob",), 2, "frob"), (("create", "--keys-file", keys_file), 2, "--scope"),
                                  (("create", "--scope", "verify"), 2, "--keys-file"),
                                  (("create", "--keys-file", keys_file, "--scope", "all"), 2, "all"),
                                  (("create", "--keys-file", keys_file, "--scope", "verify", "--burst", "3"), 2, "--rate"),
                                  (("create", "--keys-file", keys_file, "--scope", "verify", "--name", "a\nb"), 2, "--name"),
                                  (("revoke", "0123456789abcdef", "--keys-file", keys_file), 1, "0123456789abcdef"),
                                  (("list", "--keys-file", keys_file.with_name("none")), 1, "none")):
        done = key_command(*arguments)
        assert done.returncode == code and told in done.stderr, done
