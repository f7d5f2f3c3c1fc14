"""`facepair calibrate` and `facepair evaluate --all-pairs` as a person types them. With FACEPAIR_LFW: on some of LFW's people."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FACEPAIR_BUILD", TREE / "build"))
DATA = pathlib.Path(os.environ.get("FACEPAIR_DATA", TREE / "data"))
PHOTOS = TREE / "examples" / "photos"
SPLIT = TREE / "model" / "lfw-development-split.txt"
LFW = os.environ.get("FACEPAIR_LFW")
DONE, FAILED, USAGE = 0, 1, 2


def facepair(*arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FACEPAIR_")}
    return subprocess.run([BUILD / "facepair", *map(str, arguments)], env=clean, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A copy of the models, because calibrating publishes a version."""
    copy = tmp_path_factory.mktemp("data") / "data"
    shutil.copytree(DATA, copy)
    return copy


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """The first people of the development view with two images or three, from every part of the split."""
    if not LFW:
        pytest.skip("FACEPAIR_LFW is not set")
    folder = tmp_path_factory.mktemp("people")
    lines = (pathlib.Path(LFW) / "peopleDevTrain.txt").read_text().splitlines()[1:]
    chosen = [line for line in lines if line.split("\t")[1] in ("2", "3")]
    (folder / "all.txt").write_text(f"{len(chosen)}\n" + "\n".join(chosen) + "\n")
    (folder / "few.txt").write_text("2\n" + "\n".join(chosen[:2]) + "\n")
    return folder


@pytest.fixture(scope="module")
def images():
    return pathlib.Path(LFW) / "lfw-deepfunneled"


@pytest.fixture(scope="module")
def calibrated(data, people, images):
    told = facepair("calibrate", "dlib-resnet", "--people", people / "all.txt", "--split", SPLIT, "--part", "calibration",
                    "--images", images, "--face", "centre", "--data", data, "--replicates", "256")
    assert told.returncode == DONE, told.stderr
    return told


def card_of(data, version):
    return json.loads((data / "models" / "dlib-resnet" / version / "model.json").read_text())


def test_a_calibration_is_a_new_version_and_the_old_one_stays_in_use(data, calibrated):
    assert calibrated.stdout.startswith("dlib-resnet@2: calibrated from version 1\n")
    assert (data / "models" / "dlib-resnet" / "active").read_text() == "1\n"
    old, new = card_of(data, "1"), card_of(data, "2")
    assert new["weights"] == old["weights"] and new["input"] == old["input"] and new["version"] == "2"
    assert new["calibration_data"]["part"] == "calibration"
    assert 50 < new["calibration_data"]["people"] < 500
    points = new["thresholds"]["values"]
    assert [point["fmr"] for point in points] == [10.0**-k for k in range(1, len(points) + 1)] and len(points) >= 2
    for point in points:
        assert point["fmr"] / 3 <= point["fmr_low"] < point["fmr_high"] <= point["fmr"] * 3
        assert 0 <= point["fnmr_low"] <= point["fnmr"] <= point["fnmr_high"] <= 1


def test_the_calibrated_version_serves_the_command_line(data, calibrated):
    told = facepair("verify", PHOTOS / "obama.jpg", PHOTOS / "obama2.jpg", "--model", "dlib-resnet@2", "--max-fmr", "0.01",
                    "--data", data)
    assert told.returncode == DONE and told.stdout.startswith("same person"), told.stderr


def test_the_calibration_is_measured_on_others(data, people, images, calibrated, tmp_path):
    plot = tmp_path / "plot.svg"
    told = facepair("evaluate", "dlib-resnet@2", "--all-pairs", "--people", people / "all.txt", "--split", SPLIT,
                    "--part", "evaluation", "--images", images, "--face", "centre", "--data", data, "--json", "--record",
                    "--plot", plot, "--replicates", "256")
    assert told.returncode == DONE, told.stderr
    evaluation = json.loads(told.stdout)
    assert json.loads((data / "models" / "dlib-resnet" / "2" / "evaluation.json").read_text()) == evaluation
    assert evaluation["data"]["part"] == "evaluation"
    assert evaluation["roc_auc"] > 0.99 and evaluation["accuracy"] > 0.97
    assert evaluation["calibration"]["error"] < 0.03
    assert evaluation["calibration"]["log_loss"] < 0.06
    for asked, point in zip(card_of(data, "2")["thresholds"]["values"], evaluation["card_thresholds"]):
        assert point["max_fmr"] == asked["fmr"]
        assert asked["fmr"] / 3 < point["fmr"] < asked["fmr"] * 3
    assert evaluation["differential_performance"] == "not measured"
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    again = facepair("evaluate", "dlib-resnet@2", "--all-pairs", "--people", people / "few.txt", "--images", images,
                     "--data", data, "--record")
    assert again.returncode == FAILED  # refused for the people, or for the record that is there


@pytest.fixture(scope="module")
def with_head(data, people, images, calibrated):
    told = facepair("calibrate", "dlib-resnet@1", "--people", people / "all.txt", "--split", SPLIT, "--part", "calibration",
                    "--images", images, "--face", "centre", "--data", data, "--replicates", "256",
                    "--mirror", "--normalise", "--head", "--head-part", "learning")
    assert told.returncode == DONE, told.stderr
    return told


def test_a_head_is_learned_from_other_people(data, with_head):
    assert with_head.stdout.startswith("dlib-resnet@3: calibrated from version 1\n")
    old, new = card_of(data, "1"), card_of(data, "3")
    embedding = new["embedding"]
    assert (embedding["length"], embedding["mirror"], embedding["normalise"]) == (128, True, "l2")
    assert embedding["head"]["input_length"] == 128 and embedding["head"]["part"] == "learning"
    assert embedding["head"]["people"] > new["calibration_data"]["people"]
    assert new["weights"]["sha256"] != old["weights"]["sha256"]
    assert len(new["typical"]["mean"]) == 128 and new["typical"]["share"] == 0.001
    hashes = (data / "models" / "dlib-resnet" / "3" / "head-people.txt").read_text().split()
    calibration = (data / "models" / "dlib-resnet" / "3" / "calibration-people.txt").read_text().split()
    assert len(hashes) > 100 and not set(hashes) & set(calibration)


def test_the_version_with_a_head_serves_the_command_line(data, with_head):
    for first, second, expected in [("obama.jpg", "obama2.jpg", "same person"), ("obama.jpg", "biden.jpg", "not verified")]:
        told = facepair("verify", PHOTOS / first, PHOTOS / second, "--model", "dlib-resnet@3", "--max-fmr", "0.01", "--data", data)
        assert told.returncode == DONE and told.stdout.startswith(expected), told.stdout + told.stderr


def test_nothing_is_reported_on_the_people_that_a_head_was_learned_from(data, people, images, with_head, tmp_path):
    told = facepair("evaluate", "dlib-resnet@3", "--all-pairs", "--people", people / "all.txt", "--split", SPLIT,
                    "--part", "learning", "--images", images, "--data", data)
    assert told.returncode == FAILED and "head was learned from" in told.stderr
    told = facepair("calibrate", "dlib-resnet@3", "--people", people / "all.txt", "--split", SPLIT, "--part", "learning",
                    "--images", images, "--data", data)
    assert told.returncode == FAILED and "head was learned from" in told.stderr
    name = next(line.split("\t")[0] for line in (people / "all.txt").read_text().splitlines()[1:]
                if f"learning {hashlib.sha256(line.split()[0].encode()).hexdigest()[:16]}" in SPLIT.read_text())
    (tmp_path / "pairs.txt").write_text(f"1\n{name}\t1\t2\n{name}\t1\tGeorge_W_Bush\t1\n")
    for command in ("evaluate", "calibrate"):
        told = facepair(command, "dlib-resnet@3", "--pairs", tmp_path / "pairs.txt", "--images", images, "--data", data)
        assert told.returncode == FAILED and "head was learned from" in told.stderr


def test_a_head_is_not_learned_from_those_calibrated_on(data, people, images):
    told = facepair("calibrate", "dlib-resnet@1", "--people", people / "all.txt", "--split", SPLIT, "--part", "calibration",
                    "--images", images, "--data", data, "--head", "--head-people", people / "few.txt",
                    "--head-part", "calibration")
    assert told.returncode == FAILED and ("to be calibrated on" in told.stderr or "nobody" in told.stderr)
    told = facepair("calibrate", "dlib-resnet@1", "--people", people / "all.txt", "--images", images, "--data", data,
                    "--head", "--head-people", people / "few.txt")
    assert told.returncode == FAILED and "to be calibrated on" in told.stderr


def test_a_head_does_not_stand_on_another(data, people, images, with_head):
    for option in ("--mirror", "--head"):
        told = facepair("calibrate", "dlib-resnet@3", "--people", people / "all.txt", "--split", SPLIT, "--part", "calibration",
                        "--images", images, "--data", data, option, *(["--head-part", "evaluation"] if option == "--head" else []))
        assert told.returncode == FAILED and "has a head" in told.stderr


def test_master_faces_of_another_part_are_tried(data, people, images, calibrated):
    told = facepair("evaluate", "dlib-resnet@2", "--all-pairs", "--people", people / "all.txt", "--split", SPLIT,
                    "--part", "evaluation", "--images", images, "--face", "centre", "--data", data, "--json",
                    "--master-faces", "learning", "--replicates", "64")
    assert told.returncode == DONE, told.stderr
    master = json.loads(told.stdout)["master_face_rate"]
    assert master["refused"] == 1 and master["faces_from_part"] == "learning"
    assert [kind["faces"] for kind in master["averaged_faces"]] == [2, 4, 8, 16, 32, 64]
    assert [kind["sigma"] for kind in master["blurred_faces"]] == [1, 2, 4, 8, 16, 32]
    for kind in master["averaged_faces"] + master["blurred_faces"]:
        assert kind["tried"] == 16 and 0 <= kind["rate"] <= kind["rate_max"] <= 1 and 0 <= kind["refused"] <= 16
    told = facepair("evaluate", "dlib-resnet@2", "--all-pairs", "--people", people / "all.txt", "--split", SPLIT,
                    "--part", "evaluation", "--images", images, "--data", data, "--master-faces", "evaluation")
    assert told.returncode == FAILED and "another part" in told.stderr


def test_nothing_is_reported_on_the_people_that_it_was_fitted_to(data, people, images, calibrated):
    told = facepair("evaluate", "dlib-resnet@2", "--all-pairs", "--people", people / "all.txt", "--split", SPLIT,
                    "--part", "calibration", "--images", images, "--data", data)
    assert told.returncode == FAILED and "calibrated on" in told.stderr


def test_too_few_people_cannot_be_calibrated_on(data, people, images):
    told = facepair("calibrate", "dlib-resnet", "--people", people / "few.txt", "--images", images, "--face", "centre",
                    "--data", data)
    assert told.returncode == FAILED and "too few" in told.stderr
    assert not list((data / "models" / "dlib-resnet").glob(".new-*"))


@pytest.mark.parametrize("arguments", [
    ["calibrate", "dlib-resnet"],
    ["calibrate", "dlib-resnet", "--images", "i"],
    ["calibrate", "dlib-resnet", "--images", "i", "--people", "p", "--pairs", "q"],
    ["calibrate", "dlib-resnet", "--images", "i", "--people", "p", "--split", "s"],
    ["calibrate", "dlib-resnet", "--images", "i", "--people", "p", "--head"],
    ["calibrate", "dlib-resnet", "--images", "i", "--people", "p", "--head", "--head-part", "learning"],
    ["calibrate", "dlib-resnet", "--images", "i", "--people", "p", "--head-people", "q"],
    ["calibrate", "dlib-resnet", "--images", "i", "--pairs", "p", "--head", "--head-people", "q"],
    ["evaluate", "dlib-resnet", "--images", "i", "--all-pairs", "--people", "p", "--master-faces", "learning"],
    ["evaluate", "dlib-resnet", "--images", "i", "--people", "p"],
    ["evaluate", "dlib-resnet", "--images", "i", "--all-pairs"],
    ["evaluate", "dlib-resnet", "--images", "i", "--pairs", "q", "--groups", "g"],
    ["evaluate", "dlib-resnet", "--images", "i", "--all-pairs", "--people", "p", "--view2"],
    ["evaluate", "dlib-resnet", "--images", "i", "--all-pairs", "--people", "p", "--part", "evaluation"],
])
def test_wrong_usage_exits_with_2_and_a_hint(arguments):
    told = facepair(*arguments)
    assert told.returncode == USAGE and told.stdout == "" and "--help" in told.stderr


def test_a_people_file_that_is_none_is_told_with_its_line(data, tmp_path):
    (tmp_path / "people.txt").write_text("2\nAda_A\t1\n../../etc\t1\n")
    told = facepair("calibrate", "dlib-resnet", "--people", tmp_path / "people.txt", "--images", tmp_path, "--data", data)
    assert told.returncode == FAILED and "line 3" in told.stderr
