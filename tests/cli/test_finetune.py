"""`facepair finetune` as a person types it. With FACEPAIR_LFW: on some of LFW's people."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FACEPAIR_BUILD", TREE / "build"))
DATA = pathlib.Path(os.environ.get("FACEPAIR_DATA", TREE / "data"))
PHOTOS = TREE / "examples" / "photos"
LFW = os.environ.get("FACEPAIR_LFW")
DONE, FAILED, USAGE = 0, 1, 2
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("FACEPAIR_")}


def facepair(*arguments):
    return subprocess.run([BUILD / "facepair", *map(str, arguments)], env=CLEAN, text=True, capture_output=True, check=False)


@pytest.fixture()
def data(tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(DATA, copy)
    return copy


@pytest.fixture()
def album(tmp_path):
    """The example photographs: Obama three times, Biden once."""
    folder = tmp_path / "album"
    for person, names in {"Obama": ("obama", "obama2", "obama3"), "Biden": ("biden",)}.items():
        (folder / person).mkdir(parents=True)
        for name in names:
            if (PHOTOS / f"{name}.jpg").exists():
                shutil.copy(PHOTOS / f"{name}.jpg", folder / person)
    return folder


@pytest.fixture()
def some_people(tmp_path):
    """350 people of LFW with two or three photographs."""
    if not LFW:
        pytest.skip("FACEPAIR_LFW is not set")
    folder = tmp_path / "people"
    folder.mkdir()
    lines = (pathlib.Path(LFW) / "peopleDevTrain.txt").read_text().splitlines()[1:]
    chosen = [line.split("\t")[0] for line in lines if line.split("\t")[1] in ("2", "3")][:350]
    for person in chosen:
        (folder / person).symlink_to(pathlib.Path(LFW).resolve() / "lfw-deepfunneled" / person)
    return folder


@pytest.mark.parametrize("arguments, told", [
    (("dlib-resnet",), "--images"),
    (("dlib-resnet", "--images", "x", "--people", "a", "--pairs", "b"), "exclude"),
    (("dlib-resnet", "--images", "x", "--mining", "batch_hard", "--loss", "cosface"), "contrastive"),
    (("dlib-resnet", "--images", "x", "--mining", "batch_hard", "--batch-size", "3"), "4 at least"),
    (("dlib-resnet", "--images", "x", "--loss", "triplet"), "cosface"),
    (("--images", "x"), "MODEL"),
])
def test_wrong_usage_is_told(arguments, told):
    done = facepair("finetune", *arguments)
    assert done.returncode == USAGE
    assert told in done.stderr


def test_two_people_are_too_few(data, album):
    done = facepair("finetune", "dlib-resnet", "--images", album, "--data", data)
    assert done.returncode == FAILED
    assert "too few photographs" in done.stderr
    assert not list((data / "jobs").iterdir())
    assert not (data / "models/dlib-resnet/2").exists()


def test_a_model_that_is_not_there_is_told(data, album):
    done = facepair("finetune", "nobody", "--images", album, "--data", data)
    assert done.returncode == FAILED
    assert "no model nobody" in done.stderr


def test_a_torchscript_module_cannot_be_trained(data, album):
    module = TREE / "tests/parity/vit/torchscript"
    taken = facepair("import", "torchscript", "--trust", "--module", module / "module.pt", "--card", module / "card.json",
                     "--name", "own", "--data", data)
    assert taken.returncode == DONE, taken.stderr
    done = facepair("finetune", "own", "--images", album, "--data", data)
    assert done.returncode == FAILED
    assert "torchscript" in done.stderr


def test_a_job_ends_in_a_table_a_picture_and_a_version(data, some_people, tmp_path):
    done = facepair("finetune", "dlib-resnet", "--images", some_people, "--data", data, "--epochs", "2", "--views", "1",
                    "--plot", tmp_path / "curves.svg")
    assert done.returncode == DONE, done.stderr
    assert "dlib-resnet@2: published" in done.stdout
    for word in ("dlib-resnet@1", "FNMR", "accuracy", "fewer refused", "more accurate"):
        assert word in done.stdout
    assert done.stderr.count("epoch ") == 2
    ElementTree.parse(tmp_path / "curves.svg")
    card = json.loads((data / "models/dlib-resnet/2/model.json").read_text())
    assert card["training"]["base"]["version"] == "1"
    assert card["training"]["hyperparameters"]["epochs"] == 2
    assert (data / "models/dlib-resnet/active").read_text().strip() == "1"
    assert not list((data / "jobs").iterdir())
    told = facepair("verify", PHOTOS / "obama.jpg", PHOTOS / "obama2.jpg", "--model", "dlib-resnet@2", "--threshold", "0.6",
                    "--data", data)
    assert told.returncode == DONE, told.stderr


def test_an_interrupted_job_goes_on_where_it_was(data, some_people, tmp_path):
    command = [BUILD / "facepair", "finetune", "dlib-resnet", "--images", some_people, "--data", data, "--epochs", "6",
               "--views", "1", "--work", tmp_path / "work", "--json"]
    running = subprocess.Popen(command, env=CLEAN, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list((tmp_path / "work").glob("checkpoint-*")):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate()
    assert running.returncode == FAILED
    assert "goes on" in stderr
    done = subprocess.run(command, env=CLEAN, text=True, capture_output=True, check=False)
    assert done.returncode == DONE, done.stderr
    comparison = json.loads(done.stdout)["comparison"]
    assert comparison["candidate"]["version"] == "2"
