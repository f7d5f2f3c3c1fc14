"""Every error code that openapi.yaml documents is sent by a real request and held against it; a documented code without a
case fails, and so does a case of a code that is not documented."""
import json
import socket
import threading
import time

import contract
import pytest
import yaml
from service import TREE, answers_past_the_deadline, encoded, head, multipart, read_answer, wait_until

OPENAPI = yaml.safe_load((TREE / "openapi.yaml").read_text())
OPERATIONS = contract.operations(OPENAPI)
PAIR = [("image1", b"first"), ("image2", b"second")]
JSON_PAIR = {"image1": encoded(b"first"), "image2": encoded(b"second")}

# ---- what any request may be refused for, from its header alone: code -> (status, send) ----


def plain(service, port, method, path, *lines, body=b""):
    text = [f"{method.upper()} {path} HTTP/1.1", *lines]
    if not any(line.lower().startswith("host:") for line in lines):
        text.append(f"Host: 127.0.0.1:{port}")
    with service.connect(port) as connection:
        connection.sendall("\r\n".join([*text, "", ""]).encode() + body)
        return read_answer(connection, "GET")


def operation_of(path, method):
    """Of a concrete path."""
    return next(operation for template, known, operation in OPERATIONS
                if (contract.concrete(template), known) == (path, method))


def bad_query(path, method):
    """A parameter where none is known, or one that is known and no text."""
    known = [contract.resolve(OPENAPI, parameter) for parameter in operation_of(path, method).get("parameters", [])]
    return next((f"?{parameter['name']}=%" for parameter in known if parameter["in"] == "query"), "?model=dlib-resnet")


def too_much(path, method):
    """Header lines that announce more than any body may have."""
    takes_archives = "application/x-tar" in operation_of(path, method).get("requestBody", {}).get("content", {})
    return ["Content-Length: 1000000000000", "Content-Type: application/x-tar"] if takes_archives else [
        "Content-Length: 31000000", "Content-Type: application/json"]


REFUSALS = {
    "invalid_header": (400, lambda s, p, m, path: plain(s, p, m, path, "Host: localhost", "Host: localhost")),
    "invalid_field": (400, lambda s, p, m, path: plain(s, p, m, path + bad_query(path, m))),
    "origin_not_allowed": (403, lambda s, p, m, path: plain(s, p, m, path, "Origin: https://evil.example")),
    "misdirected_request": (421, lambda s, p, m, path: plain(s, p, m, path, "Host: evil.example")),
    "method_not_allowed": (405, lambda s, p, m, path: plain(s, p, "PATCH", path)),
    "body_too_large": (413, lambda s, p, m, path: plain(s, p, m, path, *too_much(path, m))),
    "unsupported_media_type": (415, lambda s, p, m, path: plain(s, p, m, path, "Content-Encoding: gzip",
                                                                "Content-Type: application/json")),
    "headers_too_large": (431, lambda s, p, m, path: plain(s, p, m, path, "X-Fill: " + "x" * 16384)),
}


# With keys (test_keys.py sends these): code -> status.
KEY_REFUSALS = {"unauthorized": 401, "insufficient_scope": 403, "rate_limited": 429}


def port_of(service, path):
    return service.admin_port if path.startswith(("/metrics", "/admin/")) else service.port


REFUSAL_CASES = [(path, method, code) for path, method, operation in OPERATIONS
                 for status, code in sorted(contract.documented_codes(OPENAPI, operation))
                 if status == "default" and code not in ("not_found", *KEY_REFUSALS)]


@pytest.mark.parametrize("path, method, code", REFUSAL_CASES, ids=lambda value: str(value))
def test_refused_from_the_header_alone(stub, path, method, code):
    status, send = REFUSALS[code]
    answer = send(stub, port_of(stub, path), method, contract.concrete(path))
    contract.check_problem(OPENAPI, path, method, answer, status, code)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/verify/", "/V1/verify", "/v1//verify", "/v1/models/", "/v1/./info", "/metrics",
                                  "/v1%2Finfo", "/admin/v1", "/v1/models/a/b", "//v1/info", "/verify%00", "/..%2Fverify"])
def test_paths_match_byte_for_byte(stub, path):
    contract.check_problem(OPENAPI, "/v1/info", "get", stub.get(path), 404, "not_found")


def test_every_operation_documents_what_any_request_may_be_refused_for():
    for path, method, operation in OPERATIONS:
        codes = {code for _, code in contract.documented_codes(OPENAPI, operation)}
        expected = {"not_found", *REFUSALS, *(KEY_REFUSALS if "security" in operation else ())}
        if path.endswith("z"):
            expected -= {"origin_not_allowed", "misdirected_request"}
        assert expected <= codes, path


# ---- POST /v1/verify: (status, code) -> requests that get it, all on the shared stub ----


def form(*parts, **headers):
    return lambda service: service.verify(parts, **headers)


def image(word):
    return form(("image1", b"STUB:" + word), ("image2", b"second"))


def slow_body(service):
    body, content_type = multipart(PAIR)
    with service.connect() as connection:
        connection.sendall(head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}",
                                          "X-Request-Timeout-Ms: 10"]))
        time.sleep(0.1)
        connection.sendall(body)
        return read_answer(connection)


def cut_short(parts):
    """A form whose closing boundary is missing."""
    def send(service):
        body, content_type = multipart(parts)
        return service.request("POST", "/v1/verify", body[:-6], {"Content-Type": content_type})
    return send


def json_body(text):
    return lambda service: service.verify_json(text)


VERIFY = {
    (400, "invalid_json"): [json_body("{"), json_body("[]"), json_body("{}x"), json_body("[" * 9 + "]" * 9),
                            json_body(json.dumps(JSON_PAIR | {"prior": [0] * 100})), json_body(b'{"a":"\xff"}')],
    (400, "invalid_multipart"): [cut_short(PAIR), lambda s: s.verify([])],
    (400, "missing_field"): [form(("image1", b"first")), form(("image1", b"first"), ("image2", b"")),
                             json_body({"image2": encoded(b"second")}), json_body("{}")],
    (400, "invalid_field"): [form(*PAIR, ("prior", "2")), form(*PAIR, ("prior", "0x1")), form(*PAIR, ("face", "all")),
                             form(*PAIR, ("threshold", "0.5"), ("max_fmr", "0.01")), form(*PAIR, ("subject", "x" * 129)),
                             form(*PAIR, ("subject", "x" * 257)), json_body(JSON_PAIR | {"image1": "a*b="}),
                             json_body(JSON_PAIR | {"prior": "0.5"}), json_body(JSON_PAIR | {"image1": 1})],
    (400, "unknown_field"): [form(*PAIR, ("max_fnr", "0.1")), json_body(JSON_PAIR | {"max_fnr": 0.1})],
    (400, "duplicate_field"): [form(*PAIR, ("prior", "0.5"), ("prior", "0.5")), form(*PAIR, PAIR[0]),
                               json_body('{"prior":0.5,' + json.dumps(JSON_PAIR | {"prior": 0.5})[1:])],
    (400, "invalid_name"): [form(*PAIR, ("model", "../secret")), json_body(JSON_PAIR | {"model": "x@y"})],
    (400, "invalid_header"): [form(*PAIR, X_Request_Timeout_Ms="9"), form(*PAIR, X_Request_Timeout_Ms="60001"),
                              form(*PAIR, X_Request_Timeout_Ms="1e3")],
    (400, "unsupported_fmr"): [form(*PAIR, ("max_fmr", "0.00009"))],
    (400, "not_calibrated"): [form(*PAIR, ("model", "plain")), form(*PAIR, ("model", "plain@1"), ("max_fmr", "0.01"))],
    (403, "origin_not_allowed"): [form(*PAIR, Origin="https://evil.example"), form(*PAIR, Sec_Fetch_Site="cross-site")],
    (404, "unknown_model"): [form(*PAIR, ("model", "nobody")), form(*PAIR, ("model", "dlib-resnet@99"))],
    (413, "body_too_large"): [form(("image1", bytes(10 * 1024 * 1024 + 1)), ("image2", b"second")),
                              json_body(JSON_PAIR | {"image1": encoded(bytes(10 * 1024 * 1024 + 1))})],
    (415, "unsupported_media_type"): [
        lambda s: s.request("POST", "/v1/verify", b"x", {"Content-Type": "text/plain"}),
        lambda s: s.request("POST", "/v1/verify", b"x", {"Content-Type": "multipart/form-data"}),
        form(*PAIR, Content_Encoding="gzip")],
    (421, "misdirected_request"): [form(*PAIR, Host="evil.example")],
    (422, "invalid_image"): [image(b"invalid_image")],
    (422, "unsupported_image_format"): [image(b"unsupported_image_format")],
    (422, "image_too_large"): [image(b"image_too_large")],
    (422, "no_face"): [image(b"no_face"), form(("image1", b"first"), ("image2", b"STUB:no_face"))],
    (422, "many_faces"): [form(("image1", b"first"), ("image2", b"STUB:many_faces"), ("face2", "only"))],
    (422, "face_too_small"): [image(b"face_too_small")],
    (431, "headers_too_large"): [form(*PAIR, X_Fill="x" * 16384)],
    (500, "internal"): [image(b"internal")],
    (504, "deadline_exceeded"): [slow_body],
}
# These need an instance of their own; each names the test below that sends it.
ALONE = {(408, "timeout"): "test_a_body_that_takes_too_long_is_answered",
         (403, "subject_disabled"): "test_a_subject_that_was_refused_too_often_is_answered",
         (429, "subject_locked"): "test_a_subject_that_was_refused_too_often_is_answered",
         (503, "overloaded"): "test_a_full_queue_is_answered",
         (503, "draining"): "test_new_work_is_refused_while_draining",
         (507, "storage_full"): "test_what_cannot_be_recorded_is_refused"}


@pytest.mark.parametrize("status, code, send", [(*key, send) for key, sends in VERIFY.items() for send in sends],
                         ids=[f"{code}-{i}" for (_, code), sends in VERIFY.items() for i in range(len(sends))])
def test_verify_refuses(stub, status, code, send):
    contract.check_problem(OPENAPI, "/v1/verify", "post", send(stub), status, code)


def test_every_documented_code_of_verify_has_a_case():
    operation = OPENAPI["paths"]["/v1/verify"]["post"]
    documented = {(int(status), code) for status, code in contract.documented_codes(OPENAPI, operation)
                  if status != "default" and code not in KEY_REFUSALS}
    assert documented == set(VERIFY) | set(ALONE)
    assert all(callable(globals()[name]) for name in ALONE.values())


def test_what_cannot_be_recorded_is_refused(unrecordable):
    contract.check_problem(OPENAPI, "/v1/verify", "post", unrecordable.verify(PAIR), 507, "storage_full")


@pytest.mark.parametrize("limit, status, code", [(2, 429, "subject_locked"), (1, 403, "subject_disabled")])
def test_a_subject_that_was_refused_too_often_is_answered(start_stub, limit, status, code):
    service = start_stub("--lockout-refusals=1", f"--lockout-limit={limit}")
    parts = [*PAIR, ("threshold", "0.000001"), ("subject", code)]
    assert service.verify(parts).status == 200
    contract.check_problem(OPENAPI, "/v1/verify", "post", service.verify(parts), status, code)


def test_a_body_that_takes_too_long_is_answered(start_stub):
    service = start_stub("--body-ms=200")
    body, content_type = multipart(PAIR)
    begun = head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]) + body[:20]
    [answer] = answers_past_the_deadline(service, begun, body[20:])
    contract.check_problem(OPENAPI, "/v1/verify", "post", answer, 408, "timeout")


def test_a_full_queue_is_answered(start_stub):
    service = start_stub("--prepare-threads=1", "--prepare-queue=2", "--embed-queue=1")
    body, content_type = multipart([("image1", b"STUB:slow 1"), ("image2", b"STUB:slow 2")])
    request = head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]) + body
    connections = [service.connect() for _ in range(16)]
    for connection in connections:
        connection.sendall(request)
    answers = [read_answer(connection) for connection in connections]
    for connection in connections:
        connection.close()
    refused = [answer for answer in answers if answer.status != 200]
    assert refused and len(refused) < len(answers)
    for answer in refused:
        contract.check_problem(OPENAPI, "/v1/verify", "post", answer, 503, "overloaded")
    assert service.get("/readyz").status == 200
    assert service.stop() == 0


def test_a_crowd_at_a_slow_model_is_its_own(start_stub):
    """It is refused with the wait that it has; another model's client is served sooner than that."""
    service = start_stub("--embed-queue=4", "--queue-ms=60000", FACEPAIR_STUB_SLOW_MODEL="plain", FACEPAIR_STUB_FACE_US="300000")
    answers, slow, over = [], [*PAIR, ("model", "plain"), ("threshold", "0.5")], threading.Event()

    def come():
        while not over.wait(0.05):
            answers.append(service.verify(slow, X_Request_Timeout_Ms="2500"))
    crowd = [threading.Thread(target=come) for _ in range(12)]
    for client in crowd:
        client.start()
    service.await_metric('facepair_queue_length{queue="embed"} 4')
    refused = next(answer for answer in iter(lambda: service.verify(slow), None) if answer.status != 200)
    began = time.monotonic()
    assert service.verify(PAIR).status == 200
    assert time.monotonic() - began < 2.4
    over.set()
    contract.check_problem(OPENAPI, "/v1/verify", "post", refused, 503, "overloaded")
    assert 3 <= int(refused.headers["Retry-After"]) <= 4  # four pairs of 0.6 s, and the one that is computed
    for client in crowd:
        client.join()
    assert {200, 503} <= {answer.status for answer in answers} <= {200, 503, 504}


def test_bodies_beyond_the_memory_set_aside_are_refused(start_stub):
    service = start_stub("--bodies-bytes=1000000")
    body, content_type = multipart(PAIR)
    with service.connect() as waiting:
        waiting.sendall(head(service, [f"Content-Type: {content_type}", "Content-Length: 999000"]))
        while True:
            answer = service.verify([("image1", bytes(2000)), ("image2", b"second")])
            if answer.status != 200:
                break
        contract.check_problem(OPENAPI, "/v1/verify", "post", answer, 503, "overloaded")
        waiting.shutdown(socket.SHUT_RDWR)
    while service.verify([("image1", bytes(2000)), ("image2", b"second")]).status != 200:
        pass


def test_what_waits_for_the_network_holds_no_body(start_stub):
    service = start_stub("--bodies-bytes=1000000", FACEPAIR_STUB_BATCH_US="600000")
    pair = [("image1", bytes(400000)), ("image2", bytes([1]) * 400000)]
    first = threading.Thread(target=lambda: answers.append(service.verify(pair).status))
    answers = []
    first.start()
    service.await_metric('facepair_images_total{outcome="ok"} 2')
    assert service.verify(pair).status == 200
    first.join()
    assert answers == [200]


def test_new_work_is_refused_while_draining(start_stub):
    service = start_stub(FACEPAIR_STUB_BATCH_US="700000")
    body, content_type = multipart(PAIR)
    request = head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"])
    with service.connect() as working, service.connect() as late:
        working.sendall(request + body)
        late.sendall(request[:30])
        service.await_metric("facepair_http_in_flight 3")  # both, and the scrape itself
        service.signal()
        wait_until(lambda: service.get("/readyz", service.admin_port).status != 200)
        contract.check_problem(OPENAPI, "/readyz", "get", service.get("/readyz", service.admin_port), 503, "draining")
        assert service.get("/livez", service.admin_port).status == 200
        late.sendall(request[30:] + body)
        contract.check_problem(OPENAPI, "/v1/verify", "post", read_answer(late), 503, "draining")
        assert read_answer(working).status == 200
    assert service.wait() == 0


# ---- what the problem documents say ----


def test_all_faults_of_the_options_are_reported_at_once(stub):
    answer = stub.verify([("image2", b"second"), ("prior", "x"), ("max_fmrr", "0.1"), ("face1", "all"), ("image2", b"again")])
    assert answer.status == 400
    assert answer.codes == [("invalid_field", "prior"), ("unknown_field", "max_fmrr"), ("invalid_field", "face1"),
                            ("duplicate_field", "image2"), ("missing_field", "image1")]


def test_the_faults_of_both_photographs_are_reported(stub):
    answer = stub.verify([("image1", b"STUB:no_face"), ("image2", b"STUB:invalid_image")])
    assert answer.codes == [("no_face", "image1"), ("invalid_image", "image2")]
    assert answer.json["image"] == "image1"


def test_an_internal_error_tells_its_cause_to_the_log_alone(stub):
    answer = stub.verify([("image1", b"STUB:internal"), ("image2", b"second")], X_Request_Id="cause-of-500")
    assert answer.status == 500
    assert "stub" not in answer.body.decode().lower()
    assert stub.event("internal_error", request_id="cause-of-500")["detail"]


def test_a_field_name_that_is_not_utf8_is_left_out(stub):
    body, content_type = multipart([*PAIR, ("NAME", "x")])
    answer = stub.request("POST", "/v1/verify", body.replace(b"NAME", b"\xff\xfe"), {"Content-Type": content_type})
    assert (answer.status, answer.codes) == (400, [("unknown_field", None)])


def test_a_detail_that_repeats_what_is_not_utf8_is_told(stub):
    body, content_type = multipart([*PAIR, ("NAME", "x" * 300)])
    answer = stub.request("POST", "/v1/verify", body.replace(b"NAME", b"im\xe1ge"), {"Content-Type": content_type})
    assert (answer.status, answer.codes) == (400, [("invalid_field", None)])
    assert "im?ge" in answer.json["detail"]


def test_a_query_is_no_place_for_options(stub):
    assert stub.verify(PAIR, path="/verify?threshold=9").codes == [("invalid_field", None)]
