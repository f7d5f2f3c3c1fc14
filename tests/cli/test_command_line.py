"""The program `facepair` as a person types it: what it prints and what it exits with."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from PIL import Image

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FACEPAIR_BUILD", TREE / "build"))
DATA = pathlib.Path(os.environ.get("FACEPAIR_DATA", TREE / "data"))
PHOTOS = TREE / "examples" / "photos"
LFW = os.environ.get("FACEPAIR_LFW")
COMMANDS = ["serve", "import", "evaluate", "calibrate", "subject", "verify"]
CARD = json.loads((DATA / "models" / "dlib-resnet" / "1" / "model.json").read_text())
THRESHOLDS = {point["fmr"]: point["threshold"] for point in CARD["thresholds"]["values"]}
DONE, FAILED, USAGE, NOT_ONE_PERSON = 0, 1, 2, 3


def facepair(*arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FACEPAIR_")}
    return subprocess.run([BUILD / "facepair", *map(str, arguments)], env=clean | environment, text=True,
                          capture_output=True, check=False)


def verify(a, b, *options, **environment):
    return facepair("verify", PHOTOS / a, PHOTOS / b, "--data", DATA, *options, **environment)


def test_help_tells_of_every_command():
    told = facepair("--help")
    assert told.returncode == DONE and told.stderr == ""
    for command in COMMANDS:
        assert f"\n  {command} " in told.stdout


@pytest.mark.parametrize("command", [
    "serve", "import dlib", "import vit", "import torchscript", "evaluate", "calibrate", "subject lift", "verify"])
def test_each_command_has_help(command):
    told = facepair(*command.split(), "--help")
    assert told.returncode == DONE and told.stderr == ""
    assert told.stdout.startswith(f"Usage: facepair {command}")
    assert "FACEPAIR_" in told.stdout


def test_version_is_one_line():
    told = facepair("--version")
    assert told.returncode == DONE
    assert told.stdout.split()[0] == "facepair" and told.stdout.count("\n") == 1


@pytest.mark.parametrize("arguments", [
    [], ["nope"], ["verify"], ["verify", "a"], ["verify", "a", "b", "c"], ["verify", "a", "b", "--nope"],
    ["verify", "a", "b", "--max-fmr", "0.001", "--threshold", "0.6"], ["verify", "a", "b", "--max-fmr", "2"],
    ["evaluate", "dlib-resnet"], ["evaluate", "m", "--pairs", "p", "--images", "i", "--protocol", "x" * 64],
    ["import"], ["import", "dlib"], ["import", "vit"],
    ["import", "torchscript", "--module", "m", "--card", "c", "--name", "n"],  # without --trust
    ["subject"], ["subject", "show", "x"], ["subject", "lift", "--lockout-data", "d"], ["subject", "lift", "x"],
    ["subject", "lift", "--lockout-data", "d", ""], ["subject", "lift", "--lockout-data", "d", "x" * 129],
    ["import", "onnx", "--weights", "w", "--landmarks", "l"],
])
def test_wrong_usage_exits_with_2_and_a_hint(arguments):
    told = facepair(*arguments)
    assert told.returncode == USAGE and told.stdout == ""
    assert "--help" in told.stderr


def test_one_person_is_verified():
    told = verify("obama.jpg", "obama2.jpg", "--check")
    assert told.returncode == DONE
    assert told.stdout.startswith("same person: distance 0.3")


def test_two_persons_are_not():
    assert verify("obama.jpg", "biden.jpg").returncode == DONE
    told = verify("obama.jpg", "biden.jpg", "--check")
    assert told.returncode == NOT_ONE_PERSON
    assert told.stdout.startswith("not verified: distance 0.8")


def test_json_has_the_services_members():
    told = verify("obama.jpg", "obama3.jpg", "--json")
    answer = json.loads(told.stdout)
    assert answer["verified"] is True and 0.2 < answer["distance"] < 0.45
    assert answer["metric"] == "euclidean" and answer["threshold"] == THRESHOLDS[0.001]
    assert answer["decision"] == {"rule": "max_fmr", "max_fmr": 0.001}
    assert answer["model"] == {"name": "dlib-resnet", "version": "1"}
    assert [image["format"] for image in answer["images"]] == ["jpeg", "jpeg"]
    with Image.open(PHOTOS / "obama3.jpg") as image:
        assert (answer["images"][1]["width"], answer["images"][1]["height"]) == image.size


def test_the_rule_comes_from_the_options_or_the_environment():
    assert json.loads(verify("obama.jpg", "obama2.jpg", "--json", "--max-fmr=0.01").stdout)["threshold"] == THRESHOLDS[0.01]
    assert json.loads(verify("obama.jpg", "obama2.jpg", "--json", FACEPAIR_MAX_FMR="0.01").stdout)["threshold"] == THRESHOLDS[0.01]
    strict = verify("obama.jpg", "obama2.jpg", "--check", "--threshold", "0.1")
    assert strict.returncode == NOT_ONE_PERSON
    refused = verify("obama.jpg", "obama2.jpg", "--max-fmr", "1e-7")
    assert refused.returncode == FAILED and "0.0001" in refused.stderr


def test_both_photographs_faults_are_told(tmp_path):
    Image.new("RGB", (400, 400), "white").save(tmp_path / "blank.png")
    (tmp_path / "text.jpg").write_text("not a photograph")
    told = facepair("verify", tmp_path / "blank.png", tmp_path / "text.jpg", "--data", DATA)
    assert told.returncode == FAILED and told.stdout == ""
    assert "blank.png" in told.stderr and "text.jpg" in told.stderr
    missing = facepair("verify", tmp_path / "none.jpg", PHOTOS / "obama.jpg", "--data", DATA)
    assert missing.returncode == FAILED and "none.jpg: No such file" in missing.stderr


def test_an_unknown_model_fails():
    told = verify("obama.jpg", "obama2.jpg", "--model", "nobody")
    assert told.returncode == FAILED and "nobody" in told.stderr
    assert verify("obama.jpg", "obama2.jpg", "--model", "dlib-resnet@77").returncode == FAILED
    assert verify("obama.jpg", "obama2.jpg", "--model", "dlib-resnet@1").returncode == DONE


def test_a_device_that_is_not_there_fails_in_one_line():
    told = verify("obama.jpg", "obama2.jpg", "--device", "cuda:7")
    assert told.returncode == FAILED and told.stderr.count("\n") == 1 and "cuda:7" in told.stderr


def test_altered_weights_are_refused_by_name(tmp_path):
    shutil.copytree(DATA, tmp_path / "data")
    weights = tmp_path / "data/models/dlib-resnet/1/weights.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    told = facepair("verify", PHOTOS / "obama.jpg", PHOTOS / "obama2.jpg", "--data", tmp_path / "data")
    assert told.returncode == FAILED and str(weights) in told.stderr
    weights.unlink()
    told = facepair("verify", PHOTOS / "obama.jpg", PHOTOS / "obama2.jpg", "--data", tmp_path / "data")
    assert told.returncode == FAILED and str(weights) in told.stderr


def test_the_process_waits_passively_under_its_own_name():
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    with subprocess.Popen([BUILD / "facepair", "serve", "--data", DATA, "--listen", "127.0.0.1:0", "--admin-listen",
                           "127.0.0.1:0"], stderr=subprocess.PIPE, env=clean) as process:
        while b'"ready"' not in process.stderr.readline():
            assert process.poll() is None
        place = pathlib.Path("/proc") / str(process.pid)
        assert b"OMP_WAIT_POLICY=passive" in (place / "environ").read_bytes().split(b"\0")
        assert (place / "comm").read_text() == "facepair\n"
        process.terminate()
        assert process.wait() == DONE


# ---- evaluate ----

@pytest.fixture
def album(tmp_path):
    """Two people with two photographs each, and one with a photograph without a face."""
    for person, photos in {"O": ["obama.jpg", "obama2.jpg"], "B": ["biden.jpg"]}.items():
        (tmp_path / person).mkdir()
        for number, photo in enumerate(photos, 1):
            shutil.copy(PHOTOS / photo, tmp_path / person / f"{person}_{number:04}.jpg")
    with Image.open(PHOTOS / "biden.jpg") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "B/B_0002.jpg", quality=95)
    (tmp_path / "N").mkdir()
    Image.new("RGB", (400, 400), "grey").save(tmp_path / "N/N_0001.jpg")
    (tmp_path / "pairs.txt").write_text("2\nO\t1\t2\nB\t1\t2\nO\t1\tB\t1\nO\t2\tN\t1\n")
    return tmp_path


def evaluate(album, *options):
    return facepair("evaluate", "dlib-resnet", "--pairs", album / "pairs.txt", "--images", album, "--data", DATA,
                    *options)


def test_evaluate_leaves_out_and_counts_what_has_no_face(album):
    told = evaluate(album, "--json")
    assert told.returncode == DONE, told.stderr
    measured = json.loads(told.stdout)
    assert measured["protocol"] == "pairs"
    assert (measured["pairs"], measured["genuine"], measured["impostor"]) == (3, 2, 1)
    assert measured["data"] == {
        "pairs_sha256": hashlib.sha256((album / "pairs.txt").read_bytes()).hexdigest(), "pairs_listed": 4,
        "pairs_left_out": 1, "images": 5, "faces_not_found": 1, "face": "largest", "no_face": "reject"}
    assert measured["accuracy"] == measured["precision"] == measured["recall"] == measured["roc_auc"] == 1
    assert measured["eer"] == 0
    assert told.stderr == ""  # the progress bar is for terminals


def test_evaluate_can_use_the_centre_instead(album):
    measured = json.loads(evaluate(album, "--json", "--no-face=centre", "--face=centre", "--protocol=mine").stdout)
    assert measured["protocol"] == "mine" and measured["pairs"] == 4
    assert measured["data"]["faces_not_found"] == 1 and measured["data"]["face"] == "centre"


@pytest.mark.parametrize("name, protocol", [
    (b"p" * 62 + "\u00e4.txt".encode(), "p" * 62), (b"x" * 80 + b".view.txt", "x" * 63), (b"gr\xfc.txt", "gr\ufffd")])
def test_evaluate_names_the_protocol_in_whole_characters(album, name, protocol):
    pairs = (album / "pairs.txt").rename(album / os.fsdecode(name))
    told = facepair("evaluate", "dlib-resnet", "--pairs", pairs, "--images", album, "--data", DATA, "--json")
    assert told.returncode == DONE, told.stderr
    assert json.loads(told.stdout)["protocol"] == protocol


def test_evaluate_writes_each_distance(album):
    assert evaluate(album, "--distances", album / "out.tsv").returncode == DONE
    head, *lines = (album / "out.tsv").read_text().splitlines()
    assert head.split("\t") == ["same", "distance", "image1", "image2"]
    rows = [line.split("\t") for line in lines]
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("1", "O/O_0001.jpg", "O/O_0002.jpg"), ("1", "B/B_0001.jpg", "B/B_0002.jpg"),
        ("0", "O/O_0001.jpg", "B/B_0001.jpg")]
    told = json.loads(verify("obama.jpg", "obama2.jpg", "--json").stdout)
    assert abs(float(rows[0][1]) - told["distance"]) < 1e-5


def test_evaluate_tells_people_what_it_did(album):
    told = evaluate(album).stdout
    for word in ["dlib-resnet@1", "face: largest", "3 of 4", "1 without", "accuracy", "precision", "recall", "F1",
                 "ROC AUC", "EER"]:
        assert word in told


def test_evaluate_stops_at_a_photograph_it_cannot_read(album):
    (album / "O/O_0002.jpg").write_bytes((PHOTOS / "obama2.jpg").read_bytes()[:5000])
    told = evaluate(album)
    assert told.returncode == FAILED and told.stdout == "" and "O/O_0002.jpg" in told.stderr
    (album / "O/O_0002.jpg").unlink()
    told = evaluate(album)
    assert told.returncode == FAILED and "O/O_0002.jpg: No such file" in told.stderr


def test_evaluate_refuses_a_pairs_file_cut_short(album):
    (album / "pairs.txt").write_text("2\nO\t1\t2\nB\t1\t2\nO\t1\tB\t1\n")
    told = evaluate(album)
    assert told.returncode == FAILED and "line 4" in told.stderr


@pytest.mark.skipif(not LFW, reason="FACEPAIR_LFW does not name a folder with LFW")
def test_lfws_development_pairs_reach_the_known_accuracy():
    told = facepair("evaluate", "dlib-resnet", "--pairs", f"{LFW}/pairsDevTrain.txt", "--images",
                    f"{LFW}/lfw-deepfunneled", "--no-face=centre", "--face=centre", "--threshold=0.6", "--json",
                    "--data", DATA)
    measured = json.loads(told.stdout)
    assert measured["pairs"] == 2200 and measured["accuracy"] >= 0.983
