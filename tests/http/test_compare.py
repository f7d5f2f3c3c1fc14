"""POST /v1/compare: what it decides, what a token withstands, and every error code that openapi.yaml documents for it."""
import base64
import json
import os
import secrets
import subprocess
import threading
import time

import contract
import numpy
import pytest
import yaml
from service import PATIENCE_S, STUB, TREE, answers_past_the_deadline, clean_environment, encoded, head, photo, read_answer, wait_until, write_stub_data

OPENAPI = yaml.safe_load((TREE / "openapi.yaml").read_text())
PATH = "/v1/compare"
NO_TOKEN, EXPIRED = "no token of this service", "expired"


@pytest.fixture(scope="module")
def tokens(stub):
    """Of two people, by the shared stub."""
    return [item["token"] for item in stub.embed(b"first", b"second")]


@pytest.fixture(scope="module")
def raw(start_stub):
    return start_stub("--allow-raw-embeddings")


def checked(answer):
    assert answer.status == 200, answer.body
    contract.check(OPENAPI, PATH, "post", answer)
    return answer.json


def refused(answer, status, *codes):
    contract.check_problem(OPENAPI, PATH, "post", answer, status, codes[0][0])
    assert answer.codes == list(codes)
    return answer


# ---- what it decides ----


@pytest.mark.parametrize("options", [{}, {"max_fmr": 0.01}, {"threshold": 2}, {"prior": 0.9, "subject": "somebody"},
                                     {"model": "dlib-resnet@1", "threshold": 1.5}], ids=str)
def test_it_answers_as_verify_does_but_for_the_photographs(stub, tokens, options):
    compared = checked(stub.compare(*tokens, **options))
    verified = stub.verify_json({"image1": encoded(b"first"), "image2": encoded(b"second")} | options).json
    assert compared.pop("warnings") == verified.pop("warnings") + ["atypicality_not_checked"]
    del verified["images"], verified["timings_ms"], compared["timings_ms"]
    assert compared == verified


@pytest.mark.parametrize("first, second", [("obama.jpg", "obama2.jpg"), ("obama.jpg", "biden.jpg"), ("obama3.jpg", "astronaut.png")])
def test_real_photographs_have_the_distance_that_verify_tells(real_raw, first, second):
    verified = real_raw.verify([("image1", photo(first)), ("image2", photo(second))]).json
    items = real_raw.embed(photo(first), photo(second), raw="true")
    for given in ([item["token"] for item in items], [item["embedding"] for item in items],
                  [items[0]["token"], items[1]["embedding"]]):
        compared = checked(real_raw.compare(*given))
        assert compared["distance"] == pytest.approx(verified["distance"], abs=1e-6)
        assert compared["verified"] is verified["verified"]


def test_a_token_compared_with_itself_has_distance_0(stub, tokens):
    assert checked(stub.compare(tokens[0], tokens[0]))["distance"] == 0


def test_a_comparison_is_counted_as_a_decision(start_stub):
    service = start_stub()
    token = service.embed(b"person")[0]["token"]
    assert service.compare(token, token).headers["Server-Timing"].startswith("receive;dur=")
    text = service.get("/metrics", service.admin_port).body.decode()
    assert 'facepair_verifications_total{model="dlib-resnet",version="1",rule="max_fmr",decision="same"} 1\n' in text


# ---- what a token withstands ----


def says(answer, sentence, field="embedding1"):
    refused(answer, 400, ("invalid_field", field))
    assert sentence in answer.json["detail"]


def test_a_token_altered_anywhere_is_none(stub, tokens):
    token = tokens[0]
    for at in range(len(token)):
        other = "B" if token[at] == "A" else "A"
        says(stub.compare(token[:at] + other + token[at + 1:], tokens[1]), NO_TOKEN)


def test_a_token_with_one_bit_turned_is_none(stub, tokens):
    sealed = base64.urlsafe_b64decode(tokens[0] + "=" * (-len(tokens[0]) % 4))
    for at in [*range(0, 60), *range(60, len(sealed), 37), *range(len(sealed) - 16, len(sealed))]:
        turned = bytes([*sealed[:at], sealed[at] ^ 1 << at % 8, *sealed[at + 1:]])
        says(stub.compare(tokens[1], base64.urlsafe_b64encode(turned).decode().rstrip("=")), NO_TOKEN, "embedding2")


def test_a_token_cut_or_lengthened_anywhere_is_none(stub, tokens):
    token = tokens[0]
    for size in [*range(1, 60), *range(60, len(token), 41), len(token) - 1]:
        says(stub.compare(token[:size], tokens[1]), NO_TOKEN)
    for longer in (token + "A", token + "=", token + "AAAA", "A" + token, token + "\n", " " + token, token + token, "A" * 100000):
        says(stub.compare(longer, tokens[1]), NO_TOKEN)


def test_halves_of_two_tokens_are_none(stub, tokens):
    for at in range(12, len(tokens[0]), 97):  # before that they are alike: format and key
        says(stub.compare(tokens[0][:at] + tokens[1][at:], tokens[1]), NO_TOKEN)


def test_a_token_in_the_other_alphabet_is_none(stub):
    token = next(token for token in (stub.embed(b"person")[0]["token"] for _ in range(50)) if "-" in token and "_" in token)
    assert stub.compare(token, token).status == 200
    says(stub.compare(token, token.replace("-", "+").replace("_", "/")), NO_TOKEN, "embedding2")


def test_another_process_opens_no_token_of_this_one(start_stub, tokens):
    other = start_stub()
    answer = other.compare(*tokens)
    refused(answer, 400, ("invalid_field", "embedding1"), ("invalid_field", "embedding2"))
    assert NO_TOKEN in answer.json["errors"][1]["detail"]


def test_a_token_ends(start_stub):
    service = start_stub("--token-lifetime=1")
    token = service.embed(b"person")[0]["token"]
    assert service.compare(token, token).status == 200
    time.sleep(1.1)
    answer = service.compare(token, service.embed(b"person")[0]["token"])
    says(answer, EXPIRED)
    assert NO_TOKEN not in answer.json["detail"]


# ---- keys that several processes share ----


def key_file(path, *keys):
    path.write_text("".join(key + "\n" for key in keys))
    path.chmod(0o600)
    return f"--token-key-file={path}"


def test_processes_that_share_a_key_open_each_others_tokens_through_a_rotation(start_stub, tmp_path):
    old, new = secrets.token_hex(32), base64.b64encode(secrets.token_bytes(32)).decode()
    before = start_stub(key_file(tmp_path / "a", old))
    between = start_stub(key_file(tmp_path / "b", "# the new one comes", "", old, new))
    after = start_stub(key_file(tmp_path / "c", new, old))
    last = start_stub(key_file(tmp_path / "d", new))
    made = {service: service.embed(b"person")[0]["token"] for service in (before, between, after, last)}
    opens = {service: {maker for maker, token in made.items() if service.compare(token, token).status == 200} for service in made}
    assert opens == {before: {before, between}, between: set(made), after: set(made), last: {after, last}}
    assert before.event("token_keys")["source"] == "file" and after.event("token_keys")["count"] == 2
    assert old not in "".join(before.log) and "a" not in before.event("token_keys")


def fails(stub_data, *options):
    """The one line of a start that fails."""
    environment = clean_environment() | {"FACEPAIR_LISTEN": "127.0.0.1:0", "FACEPAIR_ADMIN_LISTEN": "off"}
    done = subprocess.run([STUB, "serve", "--data", stub_data, *options], capture_output=True, text=True, timeout=PATIENCE_S,
                          env=environment)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("keys, line, why", [
    (["x" * 64], 1, "not 32 bytes"), (["ab" * 32, "ab" * 31], 2, "not 32 bytes"), (["# none", "ab" * 32, "AB" * 32], 3, "above"),
    ([secrets.token_hex(32) for _ in range(17)], 17, "more keys"), (["ab" * 33], 1, "not 32 bytes")])
def test_a_key_that_is_none_is_named_by_its_line(stub_data, tmp_path, keys, line, why):
    said = fails(stub_data, key_file(tmp_path / "keys", *keys))
    assert f"{tmp_path}/keys, line {line}" in said and why in said
    assert not any(key in said for key in keys)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602])
def test_a_key_file_that_others_may_read_or_write_is_refused(stub_data, tmp_path, mode):
    option = key_file(tmp_path / "keys", "ab" * 32)
    os.chmod(tmp_path / "keys", mode)
    assert "chmod" in fails(stub_data, option)


def test_a_key_file_that_is_not_there_or_empty_is_named(stub_data, tmp_path):
    assert f"{tmp_path}/none" in fails(stub_data, f"--token-key-file={tmp_path}/none")
    assert "no key" in fails(stub_data, key_file(tmp_path / "empty", "# nothing"))


def test_a_key_of_the_process_is_told_in_the_log(stub):
    assert stub.event("token_keys")["source"] == "random"


# ---- versions ----


def test_embeddings_of_two_versions_are_not_compared(stub, tokens):
    plain = stub.embed(b"first", model="plain")[0]["token"]
    refused(stub.compare(tokens[0], plain), 409, ("version_mismatch", "embedding2"))
    refused(stub.compare(plain, tokens[0], model="plain"), 409, ("version_mismatch", "embedding2"))
    refused(stub.compare(*tokens, model="plain"), 409, ("version_mismatch", "embedding1"))
    refused(stub.compare(*tokens, model="plain@1"), 409, ("version_mismatch", "embedding1"))


def test_the_version_of_the_tokens_decides(stub):
    first, second = (item["token"] for item in stub.embed(b"first", b"second", model="plain"))
    assert checked(stub.compare(first, second, threshold=0.5))["model"]["name"] == "plain"
    refused(stub.compare(first, second), 400, ("not_calibrated", "max_fmr"))


def test_embeddings_of_a_version_that_is_gone_must_be_made_anew(start_stub, tmp_path):
    option = key_file(tmp_path / "keys", secrets.token_hex(32))
    with_it = start_stub(option)
    gone = [item["token"] for item in with_it.embed(b"first", b"second", model="plain")]
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    without = start_stub(option, data=data)
    answer = refused(without.compare(*gone), 404, ("unknown_model", "embedding1"))
    assert "plain@1" in answer.json["detail"] and "anew" in answer.json["detail"]


# ---- components ----


def test_components_are_not_taken_unless_allowed(stub, tokens):
    assert stub.get("/v1/info").json["raw_embeddings"] is False
    vector = [0.1] * 128
    refused(stub.compare(vector, tokens[0]), 403, ("insufficient_scope", "embedding1"))
    refused(stub.compare(vector, vector), 403, ("insufficient_scope", "embedding1"), ("insufficient_scope", "embedding2"))


def test_components_are_of_the_default_or_the_named_version(raw):
    assert raw.get("/v1/info").json["raw_embeddings"] is True
    first, second = numpy.random.default_rng(1).normal(size=(2, 128)).astype(numpy.float32)
    expected = numpy.linalg.norm(first.astype(float) - second.astype(float))
    answer = checked(raw.compare(first.tolist(), second.tolist()))
    assert (answer["model"]["name"], answer["distance"]) == ("dlib-resnet", pytest.approx(expected, rel=1e-7))
    for model in ("plain", "plain@1"):
        assert checked(raw.compare(first.tolist(), second.tolist(), model=model, threshold=3))["model"]["name"] == "plain"
    token = raw.embed(b"first", model="plain")[0]["token"]
    refused(raw.compare(token, first.tolist()), 409, ("version_mismatch", "embedding1"))
    assert raw.compare(token, first.tolist(), model="plain", threshold=3).status == 200


def test_integers_are_numbers_too(raw):
    assert checked(raw.compare([0] * 128, [1] + [0] * 127))["distance"] == 1


@pytest.mark.parametrize("length", [1, 127, 129, 4096])
def test_components_of_another_length(raw, length):
    answer = refused(raw.compare([0.5] * length, [0.5] * 128), 400, ("invalid_field", "embedding1"))
    assert "128" in answer.json["detail"] and str(length) in answer.json["detail"]
    refused(raw.compare([0.5] * length, [0.5] * length), 400, ("invalid_field", "embedding1"), ("invalid_field", "embedding2"))


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e999", "nan"])
def test_what_json_calls_no_number(raw, bad):
    text = json.dumps({"embedding1": [0.5] * 128, "embedding2": [0.5] * 128})
    refused(raw.post_json(PATH, text.replace("0.5", bad, 1)), 400, ("invalid_json", None))


@pytest.mark.parametrize("bad", [1e30, -1e10, "0.5", None, True, [0.5], {}])
def test_what_is_no_component(raw, bad):
    refused(raw.compare([bad] + [0.5] * 127, [0.5] * 128), 400, ("invalid_field", "embedding1"))


# ---- the mean of all faces ----


@pytest.fixture(scope="module")
def typical(start_stub, tmp_path_factory, raw):
    """An instance whose card knows the mean of some faces, that mean, and the least distance from it."""
    folder = tmp_path_factory.mktemp("typical")
    faces = []
    for start in range(0, 96, 32):
        faces += [item["embedding"] for item in raw.embed(*[b"face %d" % i for i in range(start, start + 32)], raw="true")]
    mean = numpy.mean(faces, axis=0)
    least = float(numpy.linalg.norm(numpy.array(faces) - mean, axis=1).min())
    member = {"mean": [float(numpy.float32(x)) for x in mean], "distance_min": least * 0.999, "share": 0.001, "source": "a test"}
    data = write_stub_data(folder / "data", dlib_resnet={"typical": member})
    return start_stub("--allow-raw-embeddings", data=data), mean, least


def test_the_mean_embedding_is_refused(typical):
    service, mean, least = typical
    mean = mean.tolist()
    token = service.embed(b"face 7")[0]["token"]
    answer = refused(service.compare(mean, token), 422, ("atypical_embedding", "embedding1"))
    assert "99.9 %" in answer.json["detail"]
    refused(service.compare(token, mean), 422, ("atypical_embedding", "embedding2"))
    refused(service.compare(mean, mean), 422, ("atypical_embedding", "embedding1"), ("atypical_embedding", "embedding2"))


def test_genuine_faces_are_compared_and_nothing_is_warned_of(typical):
    service, _, _ = typical
    tokens = [item["token"] for item in service.embed(*[b"face %d" % i for i in range(32)])]
    for first, second in zip(tokens, tokens[1:]):
        assert checked(service.compare(first, second))["warnings"] == []


def test_the_line_is_where_the_card_draws_it(typical):
    service, mean, least = typical
    step = numpy.zeros(128)
    step[3] = least * 0.999
    token = service.embed(b"face 7")[0]["token"]
    refused(service.compare((mean + step * 0.9999).tolist(), token), 422, ("atypical_embedding", "embedding1"))
    assert service.compare((mean + step * 1.0001).tolist(), token).status == 200


# ---- every documented error ----


def body(members, **headers):
    return lambda service, tokens: service.post_json(PATH, members(tokens) if callable(members) else members, **headers)


def pair(**options):
    return lambda tokens: {"embedding1": tokens[0], "embedding2": tokens[1]} | options


def slow_body(service, tokens):
    text = json.dumps(pair()(tokens)).encode()
    with service.connect() as connection:
        lines = ["Content-Type: application/json", f"Content-Length: {len(text)}", "X-Request-Timeout-Ms: 10"]
        connection.sendall(head(service, lines, path=PATH))
        time.sleep(0.1)
        connection.sendall(text)
        return read_answer(connection)


REFUSED = {
    (400, "invalid_json"): [body("{"), body("[]"), body(""), body("[" * 9 + "]" * 9), body(pair(prior=[0] * 8500)),
                            body(lambda tokens: {f"member{i}": 0 for i in range(70)})],
    (400, "missing_field"): [body("{}"), body(lambda tokens: {"embedding1": tokens[0]}), body(pair(embedding2=""))],
    (400, "invalid_field"): [body(pair(embedding1="a token")), body(pair(embedding1=7)), body(pair(embedding1=[])),
                             body(pair(embedding1=[0] * 4097)), body(pair(prior=2)), body(pair(threshold=1, max_fmr=0.1)),
                             body(pair(subject="x" * 129)), body(pair(threshold="1"))],
    (400, "unknown_field"): [body(pair(image1="YQ==")), body(pair(face="only")), body(pair(raw=True)), body(pair(embedding3="x"))],
    (400, "duplicate_field"): [body(lambda tokens: '{"prior":0.5,' + json.dumps(pair(prior=0.5)(tokens))[1:])],
    (400, "invalid_name"): [body(pair(model="../secret")), body(pair(model="x@y"))],
    (400, "invalid_header"): [body(pair(), X_Request_Timeout_Ms="1e3")],
    (400, "unsupported_fmr"): [body(pair(max_fmr=0.00009))],
    (400, "not_calibrated"): [lambda s, tokens: s.compare(*[item["token"] for item in s.embed(b"a", b"b", model="plain")])],
    (403, "origin_not_allowed"): [body(pair(), Origin="https://evil.example")],
    (403, "insufficient_scope"): [body(pair(embedding1=[0.5] * 128))],
    (404, "unknown_model"): [body(pair(model="nobody")), body(pair(model="dlib-resnet@99"))],
    (409, "version_mismatch"): [body(pair(model="plain"))],
    (413, "body_too_large"): [body(pair(subject="x" * (256 * 1024)))],
    (415, "unsupported_media_type"): [lambda s, tokens: s.post_form(PATH, [("embedding1", tokens[0]), ("embedding2", tokens[1])]),
                                      body(pair(), Content_Encoding="gzip")],
    (421, "misdirected_request"): [body(pair(), Host="evil.example")],
    (431, "headers_too_large"): [body(pair(), X_Fill="x" * 16384)],
    (504, "deadline_exceeded"): [slow_body],
}
# These need an instance of their own; each names the test that sends it.
ALONE = {(408, "timeout"): "test_a_body_that_takes_too_long_is_answered",
         (403, "subject_disabled"): "test_a_subject_that_was_refused_too_often_is_answered",
         (429, "subject_locked"): "test_a_subject_that_was_refused_too_often_is_answered",
         (422, "atypical_embedding"): "test_the_mean_embedding_is_refused",
         (503, "overloaded"): "test_a_full_queue_is_answered",
         (503, "draining"): "test_new_work_is_refused_while_draining",
         (507, "storage_full"): "test_what_cannot_be_recorded_is_refused"}
ONLY_WITHOUT_MEMORY = {(500, "internal")}


@pytest.mark.parametrize("status, code, send", [(*key, send) for key, sends in REFUSED.items() for send in sends],
                         ids=[f"{code}-{i}" for (_, code), sends in REFUSED.items() for i in range(len(sends))])
def test_compare_refuses(stub, tokens, status, code, send):
    contract.check_problem(OPENAPI, PATH, "post", send(stub, tokens), status, code)


def test_every_documented_code_has_a_case():
    documented = {(int(status), code) for status, code in contract.documented_codes(OPENAPI, OPENAPI["paths"][PATH]["post"])
                  if status != "default" and code != "rate_limited"}
    assert documented == set(REFUSED) | set(ALONE) | ONLY_WITHOUT_MEMORY
    assert all(callable(globals()[name]) for name in ALONE.values())


def test_what_cannot_be_recorded_is_refused(unrecordable):
    contract.check_problem(OPENAPI, PATH, "post", unrecordable.compare("one", "two"), 507, "storage_full")


def test_all_faults_are_reported_at_once(stub, tokens):
    answer = stub.post_json(PATH, {"embedding1": 1, "prior": 2, "embedding3": tokens[0]})
    assert sorted(answer.codes) == [("invalid_field", "embedding1"), ("invalid_field", "prior"), ("missing_field", "embedding2"),
                                    ("unknown_field", "embedding3")]


@pytest.mark.parametrize("limit, status, code", [(2, 429, "subject_locked"), (1, 403, "subject_disabled")])
def test_a_subject_that_was_refused_too_often_is_answered(start_stub, limit, status, code):
    service = start_stub("--lockout-refusals=1", f"--lockout-limit={limit}")
    first, second = (item["token"] for item in service.embed(b"first", b"second"))
    options = {"threshold": 1e-6, "subject": f"compared: {code}"}
    assert service.compare(first, second, **options).status == 200
    contract.check_problem(OPENAPI, PATH, "post", service.compare(first, second, **options), status, code)


def test_a_body_that_takes_too_long_is_answered(start_stub):
    service = start_stub("--body-ms=200")
    begun = head(service, ["Content-Type: application/json", "Content-Length: 40"], path=PATH) + b"{"
    [answer] = answers_past_the_deadline(service, begun, b" " * 39)
    contract.check_problem(OPENAPI, PATH, "post", answer, 408, "timeout")


def test_a_full_queue_is_answered(start_stub):
    service = start_stub("--prepare-threads=1", "--prepare-queue=2")
    token = service.embed(b"person")[0]["token"]
    slow = [("image1", b"STUB:slow 1"), ("image2", b"STUB:slow 2")]
    clients = [threading.Thread(target=lambda: [service.verify(slow) for _ in range(5)]) for _ in range(4)]
    for client in clients:
        client.start()
    answers = []
    while any(client.is_alive() for client in clients):
        answers.append(service.compare(token, token))
    assert {answer.status for answer in answers} <= {200, 503}
    full = [answer for answer in answers if answer.status == 503]
    assert full
    contract.check_problem(OPENAPI, PATH, "post", full[0], 503, "overloaded")


def test_new_work_is_refused_while_draining(start_stub):
    service = start_stub(FACEPAIR_STUB_BATCH_US="700000")
    text = b'{"embedding1":"x","embedding2":"x"}'
    request = head(service, ["Content-Type: application/json", f"Content-Length: {len(text)}"], path=PATH)
    with service.connect() as late:
        late.sendall(request[:30])
        working = threading.Thread(target=lambda: service.embed(b"person"))
        working.start()
        service.await_metric("facepair_http_in_flight 3")
        service.signal()
        wait_until(lambda: service.get("/readyz", service.admin_port).status != 200)
        late.sendall(request[30:] + text)
        contract.check_problem(OPENAPI, PATH, "post", read_answer(late), 503, "draining")
        working.join()
    assert service.wait() == 0
