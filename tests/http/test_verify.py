"""POST /v1/verify on real photographs and the real network."""
import json
import pathlib
import subprocess

import contract
import pytest
from service import DATA, PHOTOS, PROGRAM, SANITIZED, Service, encoded, photo

CARD = json.loads((DATA / "models" / "dlib-resnet" / "1" / "model.json").read_text())
THRESHOLD = next(point["threshold"] for point in CARD["thresholds"]["values"] if point["fmr"] == 0.001)
NAMES = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png"]


def pair(first, second):
    return [("image1", photo(first)), ("image2", photo(second))]


def json_pair(first, second, **options):
    return {"image1": encoded(photo(first)), "image2": encoded(photo(second))} | options


def without_times(answer):
    return {name: value for name, value in answer.json.items() if name != "timings_ms"}


@pytest.mark.parametrize("first, second, verified, low, high", [
    ("obama.jpg", "obama2.jpg", True, 0, 0.5),
    ("obama.jpg", "biden.jpg", False, 0.7, 2),
    ("obama.jpg", "obama3.jpg", True, 0, THRESHOLD),
    ("obama2.jpg", "obama3.jpg", True, 0, THRESHOLD),
    *[("astronaut.png", name, False, THRESHOLD, 2) for name in NAMES[:-1]],
])
def test_who_is_who(real, openapi, first, second, verified, low, high):
    answer = real.verify(pair(first, second))
    contract.check(openapi, "/v1/verify", "post", answer)
    assert answer.status == 200
    assert answer.json["verified"] is verified
    assert low <= answer.json["distance"] < high
    assert answer.json["threshold"] == THRESHOLD


@pytest.mark.parametrize("model", ["dlib-resnet", "dlib-resnet-plus"])
@pytest.mark.parametrize("first, second, verified", [("obama.jpg", "obama2.jpg", True), ("obama.jpg", "biden.jpg", False)])
def test_the_shipped_models_tell_how_sure_they_are(real, openapi, model, first, second, verified):
    answer = real.verify([*pair(first, second), ("model", model), ("max_fmr", "0.01")])
    contract.check(openapi, "/v1/verify", "post", answer)
    told = answer.json
    assert told["verified"] is verified and told["model"]["name"] == model
    assert told["decision"]["fmr"]["low"] <= told["decision"]["fmr"]["value"] <= told["decision"]["fmr"]["high"]
    assert told["decision"]["fmr"]["value"] == pytest.approx(0.01, rel=0.01)
    assert 0 <= told["decision"]["fnmr"]["low"] <= told["decision"]["fnmr"]["value"] <= told["decision"]["fnmr"]["high"] < 0.05
    assert (told["probability"] > 0.99) is verified and (told["probability"] < 0.01) is not verified
    assert (told["log_likelihood_ratio"] > 0) is verified
    assert told["model"]["metrics"]["roc_auc"] > 0.999


def page_faults(service):
    return int(pathlib.Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()[7])


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's allocator keeps what is freed")
def test_a_request_finds_the_memory_of_the_one_before():
    """Bodies, pixels and chips have some 1,800 pages, which the kernel need not make each time."""
    service = Service(PROGRAM, DATA, "--prepare-threads=1", "--no-trainer")
    for _ in range(5):
        assert service.verify(pair("obama.jpg", "obama.jpg")).status == 200
    before = page_faults(service)
    for _ in range(10):
        assert service.verify(pair("obama.jpg", "obama.jpg")).status == 200
    faults = page_faults(service) - before
    assert service.stop() == 0
    assert faults < 10 * 250


def test_both_forms_of_the_body_get_the_same_answer(real):
    form = real.verify([*pair("obama.jpg", "obama2.jpg"), ("threshold", "0.6"), ("prior", "0.25"), ("face", "only"),
                        ("subject", "somebody")])
    body = real.verify_json(json_pair("obama.jpg", "obama2.jpg", threshold=0.6, prior=0.25, face="only", subject="somebody"))
    assert form.status == 200
    assert without_times(form) == without_times(body)


def test_base64_may_be_a_data_url_in_the_other_alphabet_with_line_breaks(real):
    text = encoded(photo("obama.jpg")).rstrip("=").replace("+", "-").replace("/", "_")
    broken = "\r\n".join(text[at:at + 76] for at in range(0, len(text), 76))
    plain = real.verify_json(json_pair("obama.jpg", "obama2.jpg"))
    spelt = real.verify_json(json_pair("obama.jpg", "obama2.jpg", image1="data:image/jpeg;base64," + broken))
    assert plain.status == 200
    assert without_times(plain) == without_times(spelt)


def test_the_short_path_is_the_same(real):
    parts = pair("obama.jpg", "biden.jpg")
    assert without_times(real.verify(parts, path="/verify")) == without_times(real.verify(parts))


def test_the_command_line_finds_the_same_distance(real):
    output = subprocess.run([PROGRAM, "verify", "--json", "--data", DATA, PHOTOS / "obama.jpg", PHOTOS / "obama2.jpg"],
                            capture_output=True, check=True, text=True).stdout
    distance = real.verify(pair("obama.jpg", "obama2.jpg")).json["distance"]
    assert json.loads(output)["distance"] == pytest.approx(distance, abs=1e-6)


def test_the_order_of_the_photographs_does_not_matter(real):
    one, other = real.verify(pair("obama.jpg", "biden.jpg")).json, real.verify(pair("biden.jpg", "obama.jpg")).json
    assert one["distance"] == pytest.approx(other["distance"], abs=1e-6)
    assert [image["width"] for image in one["images"]] == [image["width"] for image in other["images"]][::-1]


def test_a_photograph_equals_itself(real):
    answer = real.verify(pair("obama.jpg", "obama.jpg")).json
    assert answer["verified"] and answer["distance"] < 1e-5


def test_boxes_and_landmarks_are_those_of_the_full_photograph(real):
    answer = real.verify(pair("obama3.jpg", "astronaut.png")).json
    large, small = answer["images"]
    assert (large["format"], small["format"]) == ("jpeg", "png")
    assert large["height"] > 2000
    for image in (large, small):
        box, marks = image["face"]["box"], image["face"]["landmarks"]
        for x, y in (marks[name] for name in marks if name != "scheme"):
            assert box["x"] < x < box["x"] + box["width"] and box["y"] < y < box["y"] + box["height"]
        # the person's left is on the image's right
        assert marks["left_eye_outer"][0] > marks["left_eye_inner"][0] > marks["right_eye_inner"][0] > marks["right_eye_outer"][0]
        assert marks["nose_base"][1] > marks["left_eye_inner"][1]
    assert 1 / 12 < large["face"]["box"]["width"] / large["height"] < 1 / 5


def test_the_face_count_is_told_when_the_full_search_ran(real):
    answer = real.verify([*pair("obama.jpg", "biden.jpg"), ("face1", "only")]).json
    assert [image["face_count"] for image in answer["images"]] == [1, None]


def test_the_timings_add_up(real):
    answer = real.verify(pair("obama.jpg", "biden.jpg"))
    times = answer.json["timings_ms"]
    parts = sum(times[name] for name in ("receive", "prepare", "queue", "embed"))
    assert 0 < parts <= times["total"] + 0.01
    assert answer.headers["Server-Timing"].startswith(f"receive;dur={times['receive']:.3f}, prepare;dur=")
