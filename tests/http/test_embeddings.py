"""POST /v1/embeddings: what comes out, and every error code that openapi.yaml documents for it."""
import datetime
import json
import socket
import threading
import time

import contract
import numpy
import pytest
import yaml
from service import TREE, answers_past_the_deadline, encoded, head, multipart, photo, read_answer, wait_until

OPENAPI = yaml.safe_load((TREE / "openapi.yaml").read_text())
PATH = "/v1/embeddings"
ONE = [("image1", b"first")]
JSON_ONE = {"image1": encoded(b"first")}


@pytest.fixture(scope="module")
def raw(start_stub):
    return start_stub("--allow-raw-embeddings")


def checked(answer):
    assert answer.status == 200
    contract.check(OPENAPI, PATH, "post", answer)
    return answer.json


# ---- what comes out ----


def test_each_photograph_gets_its_embedding_in_its_place(raw):
    photographs = [f"person {i}".encode() for i in range(5)]
    answer = checked(raw.post_form(PATH, [(f"image{5 - i}", photographs[4 - i]) for i in range(5)] + [("raw", "true")]))
    assert answer["object"] == "list" and answer["model"] == {"name": "dlib-resnet", "version": "1"}
    assert [item["field"] for item in answer["data"]] == [f"image{i}" for i in range(1, 6)]
    for data, item in zip(photographs, answer["data"]):
        assert item["embedding"] == raw.embed(data, raw="true")[0]["embedding"]
        assert len(item["embedding"]) == 128


def test_both_forms_of_the_body_get_the_same_embedding(raw):
    form = checked(raw.post_form(PATH, [*ONE, ("model", "dlib-resnet@1"), ("face", "only"), ("raw", "true")]))
    body = checked(raw.post_json(PATH, JSON_ONE | {"model": "dlib-resnet@1", "face": "only", "raw": True}))
    for answer in (form, body):
        del answer["data"][0]["token"], answer["data"][0]["expires_at"]
    assert form == body
    assert form["data"][0]["image"]["face_count"] == 1


def test_a_photograph_that_cannot_be_used_is_an_error_in_its_place(stub):
    answer = checked(stub.post_form(PATH, [("image1", b"STUB:no_face"), ("image2", b"person"), ("image3", b"STUB:invalid_image"),
                                           ("image4", b"STUB:many_faces"), ("face", "only")]))
    assert [(item["object"], item["field"], item.get("code")) for item in answer["data"]] == [
        ("error", "image1", "no_face"), ("embedding", "image2", None), ("error", "image3", "invalid_image"),
        ("error", "image4", "many_faces")]


def test_all_photographs_may_be_unusable(stub):
    answer = checked(stub.post_form(PATH, [("image1", b"STUB:face_too_small"), ("image2", b"STUB:image_too_large")]))
    assert [item["code"] for item in answer["data"]] == ["face_too_small", "image_too_large"]


def test_thirty_two_photographs_and_every_option_fit(raw):
    parts = [(f"image{i}", b"person %d" % i) for i in range(1, 33)]
    options = {"model": "dlib-resnet", "face": "largest", "raw": "false"}
    form = checked(raw.post_form(PATH, parts + list(options.items())))
    body = checked(raw.post_json(PATH, {name: encoded(data) for name, data in parts} | options | {"raw": False}))
    assert len(form["data"]) == len(body["data"]) == 32
    assert all(item["object"] == "embedding" and "embedding" not in item for item in form["data"] + body["data"])


def test_a_token_tells_when_it_ends(start_stub):
    service = start_stub("--token-lifetime=600")
    before = datetime.datetime.now(datetime.timezone.utc)
    expires = datetime.datetime.fromisoformat(service.embed(b"person")[0]["expires_at"].replace("Z", "+00:00"))
    after = datetime.datetime.now(datetime.timezone.utc)
    lifetime, a_millisecond = datetime.timedelta(seconds=600), datetime.timedelta(milliseconds=1)
    assert before + lifetime - a_millisecond <= expires <= after + lifetime
    assert service.get("/v1/info").json["token_lifetime_s"] == 600


def test_no_two_tokens_are_alike_and_none_tells_the_face(stub):
    tokens = {stub.embed(b"the same person")[0]["token"] for _ in range(20)}
    assert len(tokens) == 20 and len({len(token) for token in tokens}) == 1


def test_a_request_larger_than_the_pools_queue_is_served(start_stub):
    service = start_stub("--prepare-queue=2", "--prepare-threads=1", "--embed-queue=32", "--allow-raw-embeddings")
    data = service.embed(*[b"person %d" % i for i in range(32)], raw="true")
    assert [item["object"] for item in data] == ["embedding"] * 32
    assert len({tuple(item["embedding"]) for item in data}) == 32


def test_many_photographs_leave_room_for_a_verification(start_stub):
    """It waits for the photographs that are in the pool, not for all of the request's: 32 of 50 ms."""
    service = start_stub("--prepare-threads=1")
    embedding = threading.Thread(target=lambda: service.embed(*[b"STUB:slow %d" % i for i in range(32)]))
    embedding.start()
    while service.get("/metrics", service.admin_port).body.find(b'facepair_images_total{outcome="ok"}') < 0:
        time.sleep(0.01)
    began = time.monotonic()
    assert service.verify([("image1", b"first"), ("image2", b"second")]).status == 200
    assert time.monotonic() - began < 0.8
    embedding.join()


def test_photographs_are_counted_and_timed(start_stub):
    service = start_stub()
    answer = service.post_form(PATH, [("image1", b"first"), ("image2", b"STUB:no_face")])
    assert [part.split(";")[0] for part in answer.headers["Server-Timing"].split(", ")] == ["receive", "total"]
    text = service.get("/metrics", service.admin_port).body.decode()
    assert 'facepair_images_total{outcome="ok"} 1\n' in text and 'facepair_images_total{outcome="no_face"} 1\n' in text
    assert 'facepair_http_requests_total{route="/v1/embeddings",method="POST",code="200"} 1\n' in text
    assert 'facepair_batch_size_sum{model="dlib-resnet"} 1\n' in text


def test_real_embeddings_have_the_distance_that_verify_tells(real_raw):
    names = ["obama.jpg", "obama2.jpg", "biden.jpg"]
    embeddings = [numpy.array(item["embedding"]) for item in real_raw.embed(*map(photo, names), raw="true")]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        verified = real_raw.verify([("image1", photo(names[i])), ("image2", photo(names[j]))]).json["distance"]
        assert numpy.linalg.norm(embeddings[i] - embeddings[j]) == pytest.approx(verified, abs=1e-6)


# ---- every documented error: (status, code) -> requests that get it, all on the shared stub ----


def form(*parts, **headers):
    return lambda service: service.post_form(PATH, parts, **headers)


def body(members, **headers):
    return lambda service: service.post_json(PATH, members, **headers)


def cut_short(service):
    text, content_type = multipart(ONE)
    return service.request("POST", PATH, text[:-6], {"Content-Type": content_type})


def slow_body(service):
    text, content_type = multipart(ONE)
    with service.connect() as connection:
        lines = [f"Content-Type: {content_type}", f"Content-Length: {len(text)}", "X-Request-Timeout-Ms: 10"]
        connection.sendall(head(service, lines, path=PATH))
        time.sleep(0.1)
        connection.sendall(text)
        return read_answer(connection)


REFUSED = {
    (400, "invalid_json"): [body("{"), body("[]"), body("[" * 9 + "]" * 9), body({"image1": [0] * 100})],
    (400, "invalid_multipart"): [cut_short, form(), form(*ONE, *[(f"other{i}", "x") for i in range(64)])],
    (400, "missing_field"): [form(("image2", b"second")), form(*ONE, ("image3", b"third")), form(("image1", b"")), body("{}"),
                             form(("raw", "true")), body(JSON_ONE | {"image1": ""})],
    (400, "invalid_field"): [form(*ONE, ("face", "all")), form(*ONE, ("raw", "1")), body(JSON_ONE | {"raw": "true"}),
                             body(JSON_ONE | {"image1": "a*b="}), body(JSON_ONE | {"image1": [1]}), body(JSON_ONE | {"image1": None})],
    (400, "unknown_field"): [form(*ONE, ("max_fmr", "0.1")), form(*ONE, ("face1", "only")), form(*ONE, ("image0", b"x")),
                             form(*ONE, ("image01", b"x")), form(*[(f"image{i}", b"x") for i in range(1, 34)]),
                             body({f"image{i}": encoded(b"x") for i in range(1, 34)}), body(JSON_ONE | {"embedding1": "x"}),
                             form(*[(f"image{i}", bytes(2000)) for i in range(1, 34)])],
    (400, "duplicate_field"): [form(*ONE, *ONE), form(*ONE, ("raw", "false"), ("raw", "false")),
                               body('{"image1":"YQ==","image1":"YQ=="}')],
    (400, "invalid_name"): [form(*ONE, ("model", "../secret")), body(JSON_ONE | {"model": "x@y"})],
    (400, "invalid_header"): [form(*ONE, X_Request_Timeout_Ms="9")],
    (403, "origin_not_allowed"): [form(*ONE, Origin="https://evil.example")],
    (403, "insufficient_scope"): [form(*ONE, ("raw", "true")), body(JSON_ONE | {"raw": True})],
    (404, "unknown_model"): [form(*ONE, ("model", "nobody")), form(*ONE, ("model", "dlib-resnet@99"))],
    (413, "body_too_large"): [form(("image1", bytes(10 * 1024 * 1024 + 1))), body({"image1": encoded(bytes(10 * 1024 * 1024 + 1))}),
                              form(*[(f"image{i}", bytes(9 << 20)) for i in (1, 2, 3)])],
    (415, "unsupported_media_type"): [lambda s: s.request("POST", PATH, b"x", {"Content-Type": "text/plain"}),
                                      form(*ONE, Content_Encoding="gzip")],
    (421, "misdirected_request"): [form(*ONE, Host="evil.example")],
    (431, "headers_too_large"): [form(*ONE, X_Fill="x" * 16384)],
    (500, "internal"): [form(*ONE, ("image2", b"STUB:internal"))],
    (504, "deadline_exceeded"): [slow_body],
}
# These need an instance of their own; each names the test below that sends it.
ALONE = {(408, "timeout"): "test_a_body_that_takes_too_long_is_answered",
         (503, "overloaded"): "test_a_crowd_at_the_network_is_answered",
         (503, "draining"): "test_new_work_is_refused_while_draining",
         (507, "storage_full"): "test_what_cannot_be_recorded_is_refused"}


@pytest.mark.parametrize("status, code, send", [(*key, send) for key, sends in REFUSED.items() for send in sends],
                         ids=[f"{code}-{i}" for (_, code), sends in REFUSED.items() for i in range(len(sends))])
def test_embeddings_refuses(stub, status, code, send):
    contract.check_problem(OPENAPI, PATH, "post", send(stub), status, code)


def test_every_documented_code_has_a_case():
    documented = {(int(status), code) for status, code in contract.documented_codes(OPENAPI, OPENAPI["paths"][PATH]["post"])
                  if status != "default"}
    assert documented == set(REFUSED) | set(ALONE)
    assert all(callable(globals()[name]) for name in ALONE.values())


def test_what_cannot_be_recorded_is_refused(unrecordable):
    contract.check_problem(OPENAPI, PATH, "post", unrecordable.post_form(PATH, [("image1", b"first")]), 507, "storage_full")


def test_all_faults_are_reported_at_once(stub):
    answer = stub.post_form(PATH, [("image2", b"x"), ("face", "all"), ("imago", b"x"), ("image2", b"x"), ("raw", "yes")])
    assert answer.codes == [("invalid_field", "face"), ("unknown_field", "imago"), ("duplicate_field", "image2"),
                            ("invalid_field", "raw"), ("missing_field", "image1")]


def test_a_body_that_takes_too_long_is_answered(start_stub):
    service = start_stub("--body-ms=200")
    text, content_type = multipart(ONE)
    begun = head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(text)}"], path=PATH) + text[:20]
    [answer] = answers_past_the_deadline(service, begun, text[20:])
    contract.check_problem(OPENAPI, PATH, "post", answer, 408, "timeout")


def test_a_crowd_at_the_network_is_answered(start_stub):
    service = start_stub("--embed-queue=2", FACEPAIR_STUB_BATCH_US="100000")
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(service.post_form(PATH, [(f"image{i}", b"x%d" % i) for i in range(1, 9)])))
               for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    refused = [answer for answer in answers if answer.status != 200]
    assert refused
    for answer in refused:
        contract.check_problem(OPENAPI, PATH, "post", answer, 503, "overloaded")
    assert service.embed(b"afterwards")[0]["object"] == "embedding"


def test_new_work_is_refused_while_draining(start_stub):
    service = start_stub(FACEPAIR_STUB_BATCH_US="700000")
    text, content_type = multipart(ONE)
    request = head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(text)}"], path=PATH)
    with service.connect() as working, service.connect() as late:
        working.sendall(request + text)
        late.sendall(request[:30])
        service.await_metric("facepair_http_in_flight 3")
        service.signal()
        wait_until(lambda: service.get("/readyz", service.admin_port).status != 200)
        late.sendall(request[30:] + text)
        contract.check_problem(OPENAPI, PATH, "post", read_answer(late), 503, "draining")
        assert read_answer(working).status == 200
    assert service.wait() == 0


def test_past_the_deadline_nothing_more_is_begun(start_stub):
    service = start_stub("--prepare-threads=1")
    parts = [(f"image{i}", b"STUB:slow %d" % i) for i in range(1, 33)]
    contract.check_problem(OPENAPI, PATH, "post", service.post_form(PATH, parts, X_Request_Timeout_Ms="150"), 504,
                           "deadline_exceeded")
    counted = service.get("/metrics", service.admin_port).body.decode()
    assert int(counted.split('facepair_images_total{outcome="ok"} ')[1].split("\n")[0]) < 10


def test_a_client_that_leaves_is_dropped(start_stub):
    service = start_stub("--prepare-threads=1")
    text, content_type = multipart([(f"image{i}", b"STUB:slow %d" % i) for i in range(1, 33)])
    with service.connect() as connection:
        lines = [f"Content-Type: {content_type}", f"Content-Length: {len(text)}"]
        connection.sendall(head(service, lines, path=PATH) + text)
        while service.get("/metrics", service.admin_port).body.find(b'facepair_images_total{outcome="ok"}') < 0:
            time.sleep(0.01)
        connection.shutdown(socket.SHUT_RDWR)
    assert service.event("request", route=PATH)["status"] == 499
    counted = service.get("/metrics", service.admin_port).body.decode()
    assert int(counted.split('facepair_images_total{outcome="ok"} ')[1].split("\n")[0]) < 20


def test_tokens_reach_no_log(stub):
    token = stub.embed(b"person")[0]["token"]
    assert token not in json.dumps(stub.log)
