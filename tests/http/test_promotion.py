"""Several versions at once: promotion and its errors, following another process, deletion, memory."""
import json
import os
import shutil
import threading
import time

import contract
import pytest
import yaml
from service import DATA, PROGRAM, SANITIZED, STUB, TREE, Service, head, multipart, photo, read_answer, wait_until, write_stub_data
from test_metrics import scrape, value
from test_process import fails
from versions import BROKEN, Version, scaled

OPENAPI = yaml.safe_load((TREE / "openapi.yaml").read_text())
PAIR = [("image1", b"first"), ("image2", b"second")]
ACTIVE, VERSION, MODELS = "/admin/v1/models/{model}/active", "/admin/v1/models/{model}", "/admin/v1/models"
JSON = {"Content-Type": "application/json"}


def promote(service, model, version, **headers):
    body = version if isinstance(version, (str, bytes)) and not version.isdigit() else json.dumps({"version": version})
    return service.request("PUT", f"/admin/v1/models/{model}/active", body, JSON | headers, port=service.admin_port)


def delete(service, reference):
    return service.request("DELETE", f"/admin/v1/models/{reference}", port=service.admin_port)


def on_disk(service):
    """{NAME@VERSION: (active, loaded, pinned)}"""
    answer = service.get(MODELS, service.admin_port)
    contract.check(OPENAPI, MODELS, "get", answer)
    return {f"{v['name']}@{v['version']}": (v["active"], v["loaded"], v["pinned"]) for v in answer.json["data"]}


def loaded(service):
    return [f"{model['name']}@{model['version']}" for model in service.get("/v1/models").json["data"]]


@pytest.fixture
def data(tmp_path):
    """dlib-resnet@1 (active) and @2, plain@1."""
    uncalibrated = {"thresholds": {"source": "none", "values": []}}
    data = write_stub_data(tmp_path / "data", dlib_resnet={}, plain=uncalibrated)
    Version(data, "dlib-resnet", "1").copy("2")
    return data


@pytest.fixture
def start(data):
    started = []

    def start(*options, program=STUB, directory=data, **environment):
        started.append(Service(program, directory, *options, environment=environment))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            assert service.stop() == 0, service.log[-20:]


# ---- a promotion ----


def test_a_promotion_and_the_way_back(start, data):
    service = start()
    for version in ("2", "1"):
        answer = promote(service, "dlib-resnet", version)
        assert answer.status == 200
        contract.check(OPENAPI, ACTIVE, "put", answer)
        assert (answer.json["version"], answer.json["active"], answer.json["default"]) == (version, True, True)
        assert answer.headers["Cache-Control"] == "no-store"
        assert (data / "models/dlib-resnet/active").read_text() == version + "\n"
        assert service.verify(PAIR).json["model"]["version"] == version
        assert loaded(service) == [f"dlib-resnet@{version}", "plain@1"]


def test_the_active_version_again_changes_nothing(start, data):
    service = start()
    before = (data / "models/dlib-resnet/active").stat()
    answer = promote(service, "dlib-resnet", "1")
    assert (answer.status, answer.json["version"]) == (200, "1")
    assert (data / "models/dlib-resnet/active").stat() == before
    assert not any("model_promoted" in line for line in service.log)


def test_who_promoted_what_is_logged(start):
    service = start()
    promote(service, "dlib-resnet", "2", **{"X-Request-Id": "the-operator"})
    event = service.event("model_promoted", request_id="the-operator")
    assert (event["model"], event["by"], event["from"], event["to"]) == ("dlib-resnet", "request", "1", "2")


def test_a_promotion_lasts(start):
    service = start()
    promote(service, "dlib-resnet", "2")
    assert service.stop() == 0
    assert loaded(start()) == ["dlib-resnet@2", "plain@1"]


def test_a_request_under_way_ends_with_the_version_it_began_with(start):
    service = start(FACEPAIR_STUB_BATCH_US="400000")
    answers = []
    client = threading.Thread(target=lambda: answers.append(service.verify(PAIR)))
    client.start()
    wait_until(lambda: value(scrape(service), "facepair_images_total", outcome="ok") == 2)
    assert promote(service, "dlib-resnet", "2").status == 200  # its warm-up alone is three batches
    client.join()
    assert (answers[0].status, answers[0].json["model"]["version"]) == (200, "1")


def test_metrics_follow_the_swap(start):
    service = start()
    info = "facepair_model_info"
    service.verify(PAIR)
    assert value(scrape(service), "facepair_verifications_total", model="dlib-resnet", version="1", rule="max_fmr",
                 decision="different") == 1
    promote(service, "dlib-resnet", "2")
    families = scrape(service)
    assert value(families, info, model="dlib-resnet", version="2", active="true", device="cpu") == 1
    assert value(families, info, model="dlib-resnet", version="1", active="true", device="cpu") == 0
    service.verify(PAIR)
    wait_until(lambda: "dlib-resnet\",version=\"1\"" not in service.get("/metrics", service.admin_port).body.decode())
    assert value(scrape(service), "facepair_verifications_total", model="dlib-resnet", version="2", rule="max_fmr",
                 decision="different") == 1


# ---- each refusal ----


def not_loadable(service, data):
    (data / "models/dlib-resnet/2/weights.safetensors").unlink()
    return promote(service, "dlib-resnet", "2")


def unwritable_active(service, data):
    (data / "models/dlib-resnet/active").unlink()
    (data / "models/dlib-resnet/active/in-the-way").mkdir(parents=True)
    return promote(service, "dlib-resnet", "2")


def unreadable_largest(service, data):
    (data / "models/dlib-resnet/largest").mkdir()
    return delete(service, "dlib-resnet@2")


def unreadable_models(service, data):
    (data / "models").rename(data / "elsewhere")
    return service.get(MODELS, service.admin_port)


def slow_body(service, data):
    lines = ["Content-Type: application/json", "Content-Length: 15"]
    with service.connect(service.admin_port) as connection:
        connection.sendall(head(service, lines, "PUT", "/admin/v1/models/dlib-resnet/active"))
        time.sleep(0.25)
        connection.sendall(b'{"version":"2"}')
        return read_answer(connection, "PUT")


def put(model, body, **headers):
    return lambda service, data: service.request("PUT", f"/admin/v1/models/{model}/active", body, JSON | headers,
                                                 port=service.admin_port)


def remove(reference):
    return lambda service, data: delete(service, reference)


REFUSALS = {
    (ACTIVE, 400, "invalid_json"): [put("dlib-resnet", b""), put("dlib-resnet", b"{"), put("dlib-resnet", b"[]"),
                                    put("dlib-resnet", b'{"version":"2\\u0000"}')],
    (ACTIVE, 400, "missing_field"): [put("dlib-resnet", b"{}")],
    (ACTIVE, 400, "invalid_field"): [put("dlib-resnet", b'{"version":2}'), put("dlib-resnet", b'{"version":null}')],
    (ACTIVE, 400, "unknown_field"): [put("dlib-resnet", b'{"version":"2","force":true}')],
    (ACTIVE, 400, "duplicate_field"): [put("dlib-resnet", b'{"version":"2","version":"2"}')],
    (ACTIVE, 400, "invalid_name"): [
        put(model, b'{"version":"2"}') for model in ("..", "A", "dlib-resnet@2", "dlib-resnet%402", ".new-1", "x" * 64)] + [
        put("dlib-resnet", json.dumps({"version": version}).encode())
        for version in ("", "0", "02", "-1", "..", "../1", "2 ", "1/../2", "1" * 21)],
    (ACTIVE, 404, "unknown_model"): [put("dlib-resnet", b'{"version":"9"}'), put("nobody", b'{"version":"1"}')],
    (ACTIVE, 404, "not_found"): [put("%C2%84", b'{"version":"2"}')],
    (ACTIVE, 409, "not_loadable"): [not_loadable],
    (ACTIVE, 413, "body_too_large"): [put("dlib-resnet", b'{"version":"2"}' + b" " * 1024)],
    (ACTIVE, 415, "unsupported_media_type"): [put("dlib-resnet", b'{"version":"2"}', **{"Content-Type": "text/plain"}),
                                              put("dlib-resnet", b'{"version":"2"}', **{"Content-Encoding": "gzip"})],
    (ACTIVE, 500, "internal"): [unwritable_active],
    (VERSION, 400, "invalid_name"): [remove(name) for name in ("dlib-resnet", "..", "A@1", "dlib-resnet@", "dlib-resnet@0",
                                                               "dlib-resnet@1@1", "@1", "..@1")],
    (VERSION, 404, "unknown_model"): [remove("dlib-resnet@9"), remove("nobody@1"), remove("dlib-resnet%409")],
    (VERSION, 404, "not_found"): [remove("%C2%84@1")],
    (VERSION, 409, "active_version"): [remove("dlib-resnet@1"), remove("plain@1")],
    (VERSION, 500, "internal"): [unreadable_largest],
    (MODELS, 500, "internal"): [unreadable_models],
}
ALONE = {
    (ACTIVE, 408, "timeout"): "test_a_body_that_takes_too_long",
    (ACTIVE, 503, "overloaded"): "test_promotions_beyond_the_queue",
    (ACTIVE, 503, "draining"): "test_nothing_is_promoted_while_draining",
    (VERSION, 409, "in_use"): "test_a_pinned_version_is_in_use",
    (VERSION, 503, "overloaded"): "test_promotions_beyond_the_queue",
    (VERSION, 503, "draining"): "test_nothing_is_promoted_while_draining",
    (MODELS, 503, "overloaded"): "test_promotions_beyond_the_queue",
    (MODELS, 503, "draining"): "test_nothing_is_promoted_while_draining",
}
METHODS = {ACTIVE: "put", VERSION: "delete", MODELS: "get"}


@pytest.mark.parametrize("path, status, code, send", [(*key, send) for key, sends in REFUSALS.items() for send in sends],
                         ids=[f"{METHODS[path]}-{code}-{i}" for (path, _, code), sends in REFUSALS.items()
                              for i in range(len(sends))])
def test_refused(start, data, path, status, code, send):
    service = start()
    contract.check_problem(OPENAPI, path, METHODS[path], send(service, data), status, code)
    assert service.verify(PAIR).json["model"]["version"] == "1"


def test_every_documented_code_has_a_case():
    for path, method in METHODS.items():
        operation = contract.resolve(OPENAPI, OPENAPI["paths"][path])[method]
        documented = {(path, int(status), code) for status, code in contract.documented_codes(OPENAPI, operation)
                      if status != "default"}
        of_any = {(path, 400, "invalid_header"), (path, 400, "invalid_field")}  # test_errors.py sends them
        assert documented - of_any == {key for key in (*REFUSALS, *ALONE) if key[0] == path} - of_any
    assert all(callable(globals()[name]) for name in ALONE.values())


@pytest.mark.parametrize("path", ["/admin/v1/models/A/B/active", "/admin/v1/models/a%2Fb/active", "/admin/v1/models/../active/x",
                                  "/admin/v1/models//active", "/admin/v1/models/a%2fb", "/admin/v1/models/%2e%2e/active"])
def test_no_path_leads_out(start, path):
    service = start()
    for method in ("PUT", "DELETE"):
        answer = service.request(method, path, b'{"version":"1"}' if method == "PUT" else None, JSON, port=service.admin_port)
        assert answer.status in (404, 405), (method, path)


def test_a_web_page_may_not_promote(start):
    service = start()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        assert promote(service, "dlib-resnet", "2", **headers).status in (403, 421)
    assert loaded(service) == ["dlib-resnet@1", "plain@1"]


def test_a_body_that_takes_too_long(start, data):
    service = start("--body-ms=200")
    try:
        answer = slow_body(service, data)
    except ConnectionError:
        return  # the sweep was first, and can only close
    contract.check_problem(OPENAPI, ACTIVE, "put", answer, 408, "timeout")


def test_promotions_beyond_the_queue(start):
    service = start(FACEPAIR_STUB_BATCH_US="700000")
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(promote(service, "dlib-resnet", "2"))) for _ in range(24)]
    for client in clients:
        client.start()
    for path, send in ((VERSION, lambda: delete(service, "dlib-resnet@9")), (MODELS, lambda: service.get(MODELS,
                                                                                                     service.admin_port))):
        wait_until(lambda: value(scrape(service), "facepair_queue_length", queue="disk") == 16)
        contract.check_problem(OPENAPI, path, METHODS[path], send(), 503, "overloaded")
    for client in clients:
        client.join()
    refused = [answer for answer in answers if answer.status != 200]
    assert refused and len(refused) < len(answers)
    for answer in refused:
        contract.check_problem(OPENAPI, ACTIVE, "put", answer, 503, "overloaded")
        assert answer.headers["Retry-After"] == "5"
    assert loaded(service) == ["dlib-resnet@2", "plain@1"]


def test_nothing_is_promoted_while_draining(start):
    service = start(FACEPAIR_STUB_BATCH_US="1500000")
    body, content_type = multipart(PAIR)
    with service.connect() as working:
        working.sendall(head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]) + body)
        wait_until(lambda: value(scrape(service), "facepair_images_total", outcome="ok") == 2)
        service.signal()
        wait_until(lambda: service.get("/readyz", service.admin_port).status == 503)
        for path, answer in ((ACTIVE, promote(service, "dlib-resnet", "2")), (VERSION, delete(service, "dlib-resnet@2")),
                             (MODELS, service.get(MODELS, service.admin_port))):
            contract.check_problem(OPENAPI, path, METHODS[path], answer, 503, "draining")
        assert read_answer(working).status == 200
    assert service.wait() == 0


def test_the_default_model_keeps_its_default_rule(start, data):
    weaker = {"source": "made up", "values": [{"fmr": 0.01, "threshold": 0.618, "fnmr": None}]}
    Version(data, "dlib-resnet", "2").change_card(lambda card: card.update(thresholds=weaker))
    Version(data, "plain", "1").copy("2")
    service = start()
    answer = promote(service, "dlib-resnet", "2")
    contract.check_problem(OPENAPI, ACTIVE, "put", answer, 409, "not_loadable")
    assert "--default-max-fmr" in answer.json["detail"] and "0.01" in answer.json["detail"]
    assert promote(service, "plain", "2").status == 200  # which no request gets that does not ask for it


# ---- several at once, under a limit ----


def test_a_pinned_version_stays_loaded(start):
    service = start("--also-load=dlib-resnet@2")
    assert loaded(service) == ["dlib-resnet@1", "dlib-resnet@2", "plain@1"]
    assert service.verify([*PAIR, ("model", "dlib-resnet@2")]).json["model"]["version"] == "2"
    assert service.verify(PAIR).json["model"]["version"] == "1"
    assert on_disk(service) == {"dlib-resnet@1": (True, True, False), "dlib-resnet@2": (False, True, True),
                                "plain@1": (True, True, False)}
    families = scrape(service)
    assert value(families, "facepair_model_info", model="dlib-resnet", version="2", active="false", device="cpu") == 1
    promote(service, "dlib-resnet", "2")
    assert loaded(service) == ["dlib-resnet@2", "plain@1"]
    promote(service, "dlib-resnet", "1")
    assert loaded(service) == ["dlib-resnet@1", "dlib-resnet@2", "plain@1"]


def test_a_pinned_version_is_in_use(start):
    service = start("--also-load=dlib-resnet@2")
    contract.check_problem(OPENAPI, VERSION, "delete", delete(service, "dlib-resnet@2"), 409, "in_use")


@pytest.mark.parametrize("pinned, told", [("dlib-resnet@9", "dlib-resnet/9"), ("dlib-resnet", "NAME@VERSION"),
                                          ("../x@1", "NAME@VERSION")])
def test_what_cannot_be_pinned_refuses_the_start(data, pinned, told):
    assert told in fails(STUB, data, f"--also-load={pinned}")


def test_more_than_the_memory_refuses_the_start(data):
    line = fails(STUB, data, "--models-memory-max=30")  # the stub's weights take 27 and 21 bytes
    assert "plain@1" in line and "--models-memory-max" in line


def test_a_promotion_beyond_the_memory_is_refused(start, data):
    Version(data, "dlib-resnet", "2").change_weights(lambda weights: weights * 1000)
    service = start("--models-memory-max=20000")
    answer = promote(service, "dlib-resnet", "2")
    contract.check_problem(OPENAPI, ACTIVE, "put", answer, 409, "not_loadable")
    assert "--models-memory-max" in answer.json["detail"]
    assert service.verify(PAIR).json["model"]["version"] == "1"


def test_memory_comes_back_when_the_old_version_has_ended(start, data):
    service = start("--models-memory-max=90")  # three versions of 27 and 21 bytes, not four
    for version in ("2", "1") * 5:
        wait_until(lambda: promote(service, "dlib-resnet", version).status == 200, 5)


# ---- deletion ----


def test_a_version_is_deleted(start, data):
    service = start()
    assert delete(service, "dlib-resnet%402").status == 204
    assert not (data / "models/dlib-resnet/2").exists()
    assert not list((data / "models/dlib-resnet").glob(".*"))
    assert on_disk(service) == {"dlib-resnet@1": (True, True, False), "plain@1": (True, True, False)}
    contract.check_problem(OPENAPI, VERSION, "delete", delete(service, "dlib-resnet@2"), 404, "unknown_model")
    assert service.event("model_deleted", model="dlib-resnet")["version"] == "2"


# ---- following ----


def test_another_process_follows_within_two_seconds(start):
    leader, follower = start(), start()
    promoted = time.monotonic()
    assert promote(leader, "dlib-resnet", "2").status == 200
    wait_until(lambda: follower.verify(PAIR).json["model"]["version"] == "2")
    assert time.monotonic() - promoted < 2
    event = follower.event("model_promoted", model="dlib-resnet")
    assert (event["by"], event["from"], event["to"]) == ("disk", "1", "2")


def test_a_broken_version_is_told_once_and_the_old_one_goes_on(start, data):
    service = start()
    version = Version(data, "dlib-resnet", "2")
    version.change_weights(lambda weights: weights + b"!", rehash=False).activate()
    event = service.event("model_not_followed", model="dlib-resnet", version="2")
    assert "2/weights.safetensors" in event["cause"]
    time.sleep(1.5)
    assert sum("model_not_followed" in line for line in service.log) == 1
    assert service.verify(PAIR).json["model"]["version"] == "1"
    contract.check_problem(OPENAPI, VERSION, "delete", delete(service, "dlib-resnet@1"), 409, "in_use")
    version.change_weights(lambda weights: weights)  # repaired
    wait_until(lambda: service.verify(PAIR).json["model"]["version"] == "2", 5)


def test_an_active_that_names_nothing_is_told_once(start, data):
    service = start()
    (data / "models/dlib-resnet/active").write_text("../../etc\n")
    service.event("model_not_followed", model="dlib-resnet")
    time.sleep(1.2)
    assert sum("model_not_followed" in line for line in service.log) == 1
    assert service.verify(PAIR).json["model"]["version"] == "1"


def test_models_come_and_go(start, data):
    service = start()
    shutil.copytree(data / "models/plain", data / "models/.new-guest")
    Version(data, ".new-guest", "1").change_card(lambda card: card.update(name="guest"))
    (data / "models/.new-guest").rename(data / "models/guest")
    wait_until(lambda: loaded(service) == ["dlib-resnet@1", "guest@1", "plain@1"], 3)
    assert service.verify([*PAIR, ("model", "guest"), ("threshold", "0.5")]).status == 200
    assert "guest" in service.get("/metrics", service.admin_port).body.decode()
    shutil.rmtree(data / "models/guest")
    wait_until(lambda: loaded(service) == ["dlib-resnet@1", "plain@1"], 3)
    wait_until(lambda: "guest" not in service.get("/metrics", service.admin_port).body.decode(), 3)
    assert service.verify([*PAIR, ("model", "guest"), ("threshold", "0.5")]).codes == [("unknown_model", "model")]


def test_the_default_model_outlives_its_files(start, data):
    service = start()
    shutil.rmtree(data / "models/dlib-resnet")
    service.event("model_not_followed", model="dlib-resnet")
    assert service.verify(PAIR).json["model"]["version"] == "1"


# ---- with the real network ----


@pytest.fixture(scope="module")
def real_data(tmp_path_factory):
    """dlib-resnet@1, and @2, whose distances are 1.01 times as long; one broken version for each way to be."""
    data = shutil.copytree(DATA, tmp_path_factory.mktemp("data") / "data", copy_function=os.link,
                           ignore=shutil.ignore_patterns("dlib-resnet-plus"))
    (data / "models/dlib-resnet/active").unlink()
    first = Version(data, "dlib-resnet", "1").activate()
    first.copy("2").change_weights(scaled(1.01))
    for number, (change, _, _) in enumerate(BROKEN.values(), 100):
        change(first.copy(str(number)))
    return data


@pytest.fixture(scope="module")
def real_service(real_data):
    service = Service(PROGRAM, real_data)
    yield service
    assert service.stop() == 0


def test_each_answer_is_computed_by_the_version_it_names(real_service):
    body = [("image1", photo("obama.jpg")), ("image2", photo("obama2.jpg"))]
    distances = {}
    for version in ("2", "1"):
        assert promote(real_service, "dlib-resnet", version).status == 200
        answer = real_service.verify(body).json
        distances[answer["model"]["version"]] = answer["distance"]
    assert distances["2"] / distances["1"] == pytest.approx(1.01, abs=1e-5)


def test_a_real_process_follows(real_service, real_data):
    """That two seconds are enough, the stub shows above: here a network is loaded and warmed up besides."""
    follower = Service(PROGRAM, real_data)
    body = [("image1", photo("obama.jpg")), ("image2", photo("obama2.jpg"))]
    before = follower.verify(body).json
    assert promote(real_service, "dlib-resnet", "2").status == 200
    wait_until(lambda: loaded(follower) == ["dlib-resnet@2"])
    after = follower.verify(body).json
    assert (before["model"]["version"], after["model"]["version"]) == ("1", "2")
    assert after["distance"] / before["distance"] == pytest.approx(1.01, abs=1e-5)
    assert promote(follower, "dlib-resnet", "1").status == 200  # and the other way round
    wait_until(lambda: loaded(real_service) == ["dlib-resnet@1"])
    assert follower.stop() == 0


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's allocator keeps what is freed")
def test_a_version_takes_what_it_declares(real_data):
    """No more, and not so much less that the limit would mean nothing."""
    both = Service(PROGRAM, real_data, "--also-load=dlib-resnet@2")
    grown = value(scrape(both), "process_resident_memory_bytes") - before_any_swap(real_data)
    line = fails(PROGRAM, real_data, "--models-memory-max=1048576")
    declared = int(line.split(" takes ")[1].split(" MiB")[0]) * 2 ** 20
    assert declared / 3 < grown <= declared
    assert both.stop() == 0


def before_any_swap(data):
    alone = Service(PROGRAM, data)
    resident = value(scrape(alone), "process_resident_memory_bytes")
    assert alone.stop() == 0
    return resident


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_version_is_not_promoted(real_service, real_data, name):
    _, file, told = BROKEN[name]
    number = str(100 + list(BROKEN).index(name))
    answer = promote(real_service, "dlib-resnet", number)
    contract.check_problem(OPENAPI, ACTIVE, "put", answer, 409, "not_loadable")
    detail = answer.json["detail"]
    assert file in detail and told in detail
    assert str(real_data)[:5] not in answer.body.decode() and "terminate" not in detail
    assert real_service.get("/v1/models/dlib-resnet").json["version"] == "1"
    cause = real_service.event("model_not_loadable", version=number)["cause"]
    assert f"dlib-resnet/{number}" in cause


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_active_version_refuses_the_start(real_data, name):
    _, file, _ = BROKEN[name]
    number = str(100 + list(BROKEN).index(name))
    Version(real_data, "dlib-resnet", number).activate()
    try:
        assert f"dlib-resnet/{number}/{file}" in fails(PROGRAM, real_data)
    finally:
        Version(real_data, "dlib-resnet", "1").activate()
