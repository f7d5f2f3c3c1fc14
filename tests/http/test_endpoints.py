"""The other endpoints, and that the running server and openapi.yaml have the same ones."""
import json
import re

import contract
import pytest
import yaml
from service import TREE


def public_and_admin(stub):
    return {"public": stub.port, "admin": stub.admin_port, "metrics": stub.metrics_port}


LISTENERS = {
    "/v1/verify": {"public"}, "/verify": {"public"}, "/v1/embeddings": {"public"}, "/v1/compare": {"public"},
    "/v1/models": {"public"}, "/v1/models/{model}": {"public"}, "/v1/models/{model}/metrics": {"public"}, "/v1/info": {"public"}, "/openapi.json": {"public"},
    "/admin/v1/models": {"admin"}, "/admin/v1/models/{model}": {"admin"}, "/admin/v1/models/{model}/active": {"admin"},
    "/admin/v1/datasets": {"admin"}, "/admin/v1/datasets/{dataset}": {"admin"},
    "/admin/v1/datasets/{dataset}/people/{person}": {"admin"},
    **{f"/admin/v1/{kind}{rest}": {"admin"} for kind in ("fine-tunes", "evaluations", "calibrations")
       for rest in ("", "/{job}", "/{job}/cancel", "/{job}/pause", "/{job}/resume", "/{job}/events")},
    "/admin/v1/fine-tunes/{job}/checkpoints": {"admin"},
    "/admin/v1/subjects/show": {"admin"}, "/admin/v1/subjects/lift": {"admin"},
    "/metrics": {"admin", "metrics"}, "/livez": {"public", "admin", "metrics"}, "/healthz": {"public", "admin", "metrics"},
    "/readyz": {"public", "admin", "metrics"}, "/startupz": {"public", "admin", "metrics"},
}


def test_the_document_served_is_the_one_in_the_tree(stub, openapi):
    answer = stub.get("/openapi.json")
    assert (answer.status, answer.type) == (200, "application/json")
    assert answer.json == json.loads(json.dumps(openapi))


def test_every_path_is_documented_and_served_where_it_should_be(stub, openapi):
    assert set(openapi["paths"]) == set(LISTENERS)
    for path, listeners in LISTENERS.items():
        for name, port in public_and_admin(stub).items():
            answer = stub.request("PATCH", contract.concrete(path), port=port)
            assert answer.status == (405 if name in listeners else 404), (path, name)


def test_the_table_of_routes_is_the_documented_one(openapi):
    """A route that is not documented would be reached by no other test here."""
    table = (TREE / "api" / "routes.c").read_text().split("ENDPOINTS[] = {", 1)[1].split("};", 1)[0]
    routes = re.findall(r"^ +[A-Z]+\(\"([^\"]+)\"", table, re.MULTILINE)
    assert set(routes) == set(openapi["paths"])


# What needs something that the shared service has not is in test_datasets.py and test_fine_tunes.py.
GETS = [path for path, item in yaml.safe_load((TREE / "openapi.yaml").read_text())["paths"].items()
        if ("get" in item or path == "/healthz") and "{dataset}" not in path and "{job}" not in path]


@pytest.mark.parametrize("path", GETS)
def test_each_get_answers_as_documented(stub, openapi, path):
    port = stub.admin_port if "public" not in LISTENERS[path] else stub.port
    answer = stub.get(contract.concrete(path), port)
    assert answer.status == 200
    contract.check(openapi, path, "get", answer)
    head = stub.request("HEAD", contract.concrete(path), port=port)
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("path, method, answer", [("/v1/verify", "PUT", "POST"), ("/v1/info", "POST", "GET, HEAD"),
                                                  ("/livez", "DELETE", "GET, HEAD")])
def test_the_methods_allowed_are_told(stub, path, method, answer):
    assert stub.request(method, path).headers["Allow"] == answer


@pytest.mark.parametrize("reference", ["dlib-resnet", "dlib-resnet@1", "dlib-resnet%401"])
def test_a_model_by_each_spelling_of_its_name(stub, reference):
    model = stub.get(f"/v1/models/{reference}").json
    assert (model["name"], model["version"], model["active"], model["default"]) == ("dlib-resnet", "1", True, True)
    assert model["card"]["license"] == "CC0-1.0"


@pytest.mark.parametrize("reference, status, code", [
    ("nobody", 404, "unknown_model"), ("dlib-resnet@2", 404, "unknown_model"), ("UPPER", 400, "invalid_name"),
    ("dlib-resnet@", 400, "invalid_name"), ("dlib-resnet@1@1", 400, "invalid_name"), ("x" * 64, 400, "invalid_name"),
    ("..", 400, "invalid_name"), ("dlib-resnet%401%40", 400, "invalid_name")])
@pytest.mark.parametrize("suffix", ["", "/metrics"])
def test_models_that_are_not_there(stub, openapi, reference, status, code, suffix):
    answer = stub.get(f"/v1/models/{reference}{suffix}")
    contract.check_problem(openapi, "/v1/models/{model}" + suffix, "get", answer, status, code)


def test_an_unchanged_card_is_not_sent_again(stub):
    tag = stub.get("/v1/models/dlib-resnet").headers["ETag"]
    again = stub.get("/v1/models/dlib-resnet", **{"If-None-Match": tag})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert stub.get("/v1/models/plain", **{"If-None-Match": tag}).status == 200


def test_all_loaded_models_are_listed_by_name(stub):
    listed = stub.get("/v1/models").json
    assert [(model["name"], model["default"]) for model in listed["data"]] == [("dlib-resnet", True), ("plain", False)]


def test_the_limits_told_are_those_documented(stub, openapi):
    documented = openapi["components"]["schemas"]["Info"]["properties"]["limits"]["properties"]
    told = stub.get("/v1/info").json["limits"]
    del told["bodies_bytes_max"], documented["bodies_bytes_max"]  # the machine's
    assert told == {name: schema.get("default", schema.get("const")) for name, schema in documented.items()}


def test_what_one_may_set_is_told_as_it_is_set(start_stub):
    service = start_stub("--header-bytes=4096", "--header-ms=2000", "--body-ms=3000", "--answer-ms=4000", "--connections=77")
    told = service.get("/v1/info").json["limits"]
    assert [told[f"{name}_max"] for name in ("header_bytes", "header_ms", "body_ms", "answer_ms", "connections")] == [
        4096, 2000, 3000, 4000, 77]


@pytest.mark.parametrize("most", [1024, 16384, 65536])
def test_a_header_as_large_as_is_allowed_is_read(start_stub, most):
    service = start_stub(f"--header-bytes={most}")
    assert service.get("/livez", **{"X-Fill": "x" * (most - 200)}).status == 200
    refused = service.get("/livez", **{"X-Fill": "x" * most})
    assert (refused.status, refused.json["errors"][0]["code"]) == (431, "headers_too_large")
    assert service.stop() == 0


def test_the_measured_metrics_of_the_model_are_told(real):
    model = real.get("/v1/models/dlib-resnet/metrics").json
    evaluated = model["metrics"]
    card = real.get("/v1/models/dlib-resnet").json["card"]
    assert [point["fmr"] for point in model["thresholds"]] == [point["fmr"] for point in card["thresholds"]["values"]]
    assert real.get("/v1/models").json["data"][0]["metrics"] == evaluated


def test_a_request_id_comes_back_when_it_is_well_formed(stub):
    assert stub.get("/livez", **{"X-Request-Id": "a.B~c_1-2"}).headers["X-Request-Id"] == "a.B~c_1-2"
    for sent in ("", "a b", "x" * 65, 'a"b', "é"):
        given = stub.get("/livez", **{"X-Request-Id": sent.encode()}).headers["X-Request-Id"]
        assert re.fullmatch("[A-Za-z0-9._~-]{1,64}", given) and given != sent


def test_no_origin_is_told_about_unless_some_are_allowed(start_stub, stub):
    assert stub.get("/livez").headers["Vary"] == "Origin"
    allowed = stub.get("/v1/info", Origin="https://facepair.example")
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, "https://facepair.example")
    assert start_stub().get("/livez").headers["Vary"] is None
