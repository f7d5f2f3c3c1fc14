"""Which threshold decides, and what the answer says of it."""
import contract
import pytest

PAIR = [("image1", b"first"), ("image2", b"second")]


def decide(stub, openapi, *options):
    answer = stub.verify([*PAIR, *options])
    assert answer.status == 200
    contract.check(openapi, "/v1/verify", "post", answer)
    return answer.json


@pytest.mark.parametrize("options, threshold, rule, source, max_fmr", [
    ([], 0.544, "max_fmr", "default", 0.001),
    ([("max_fmr", "0.001")], 0.544, "max_fmr", "request", 0.001),
    ([("max_fmr", "0.01")], 0.618, "max_fmr", "request", 0.01),
    ([("max_fmr", "1")], 0.618, "max_fmr", "request", 1),
    ([("max_fmr", "0.009")], 0.544, "max_fmr", "request", 0.009),
    ([("max_fmr", "1e-4")], 0.4755, "max_fmr", "request", 0.0001),
    ([("threshold", "0.75"), ("model", "dlib-resnet@1")], 0.75, "threshold", "request", None),
])
def test_the_threshold_that_decides(stub, openapi, options, threshold, rule, source, max_fmr):
    answer = decide(stub, openapi, *options)
    assert answer["threshold"] == threshold
    assert answer["decision"] == {"rule": rule, "source": source, "max_fmr": max_fmr, "fmr": None, "fnmr": None}
    assert answer["verified"] is (answer["distance"] < threshold)
    assert answer["warnings"] == []


def test_a_threshold_of_whatever_version_is_warned_of(stub, openapi):
    assert decide(stub, openapi, ("threshold", "0.5"))["warnings"] == ["threshold_without_version"]
    assert decide(stub, openapi, ("threshold", "0.5"), ("model", "dlib-resnet"))["warnings"] == ["threshold_without_version"]


def test_the_decision_turns_at_the_distance(stub, openapi):
    distance = decide(stub, openapi)["distance"]
    assert decide(stub, openapi, ("threshold", f"{distance + 1e-6:.9f}"))["verified"] is True
    assert decide(stub, openapi, ("threshold", f"{distance - 1e-6:.9f}"))["verified"] is False


def test_the_smallest_supported_rate_is_told(stub):
    answer = stub.verify([*PAIR, ("max_fmr", "0.00001")])
    assert answer.codes == [("unsupported_fmr", "max_fmr")]
    assert "0.0001" in answer.json["detail"]


def test_the_prior_comes_back_and_nothing_is_made_of_it_without_calibration(stub, openapi):
    assert decide(stub, openapi)["prior"] == 0.5
    answer = decide(stub, openapi, ("prior", "0.9"))
    assert (answer["prior"], answer["probability"], answer["log_likelihood_ratio"]) == (0.9, None, None)


def test_a_model_without_thresholds_decides_by_a_threshold_alone(stub, openapi):
    answer = decide(stub, openapi, ("model", "plain@1"), ("threshold", "0.5"))
    assert (answer["model"]["name"], answer["model"]["version"]) == ("plain", "1")


def test_another_default_rate_is_another_default_threshold(start_stub, openapi):
    service = start_stub("--default-max-fmr=0.0001")
    answer = decide(service, openapi)
    assert (answer["threshold"], answer["decision"]["source"]) == (0.4755, "default")
    assert service.get("/v1/info").json["default_max_fmr"] == 0.0001
