"""Every number of an all-pairs evaluation.json, computed again with NumPy and scikit-learn from the same embeddings.

The distances are computed by NumPy in double and rounded down to the resolution that the evaluation states. The intervals are
checked against a bootstrap written the plain way: the same 64-bit generator, one resample at a time, over pairs of people.
"""
import json
import os
import pathlib
import subprocess
import sys

import numpy
import pytest
from sklearn import metrics

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from random_twin import Random

TOOL = pathlib.Path(os.environ["FACEPAIR_BUILD"]) / "tests" / "gallery_numbers"
CARD = {
    "format": 1, "name": "net", "version": "1", "architecture": "dlib-resnet", "description": "a test's", "license": "CC0-1.0",
    "input": {"kind": "chip", "side": 16, "padding": 0.25, "mean": [1, 2, 3], "std": [256, 256, 256]},
    "embedding": {"length": 8, "distance": "euclidean"},
    "weights": {"file": "weights.safetensors", "sha256": "0" * 64},
    "thresholds": {"source": "a test", "values": [{"fmr": 0.01, "threshold": 0.52}, {"fmr": 0.001, "threshold": 0.4307}]},
    "probability": {"distance": [0.3, 0.5, 0.6, 0.9], "log_likelihood_ratio": [7, 3, 0, -5]},
}


class Pairs:
    """All pairs of images with their distances (rounded down), their kind, their people and their weights."""

    def __init__(self, images, embeddings, resolution):
        person = numpy.repeat(numpy.arange(len(images)), images)
        i, j = numpy.triu_indices(len(person), 1)
        difference = embeddings[i].astype(numpy.float64) - embeddings[j].astype(numpy.float64)
        exact = numpy.sqrt((difference**2).sum(axis=1))
        self.bin = numpy.floor(exact * round(1 / resolution)).astype(int)
        self.distance = self.bin / round(1 / resolution)
        self.middle = (self.bin + 0.5) / round(1 / resolution)
        self.a, self.b = person[i], person[j]
        self.same = self.a == self.b
        images = numpy.asarray(images)
        self.weight = numpy.where(self.same, 2 / (images[self.a] * (images[self.a] - 1.0).clip(1)), 1.0 / (images[self.a] * images[self.b]))
        self.weight[self.same] /= self.weight[self.same].sum()
        self.weight[~self.same] /= self.weight[~self.same].sum()

    def rates(self, threshold):
        below = self.distance < threshold - 1e-9
        return self.weight[~self.same & below].sum(), self.weight[self.same & ~below].sum()


@pytest.fixture(scope="module")
def gallery():
    rng = numpy.random.default_rng(5)
    images = rng.choice([1, 1, 1, 2, 3, 5, 40], size=240)
    own = rng.normal(0, 0.2, (len(images), 8))
    embeddings = numpy.concatenate([own[p] + rng.normal(0, 0.07, (n, 8)) for p, n in enumerate(images)]).astype(numpy.float32)
    return images, embeddings


@pytest.fixture(scope="module")
def evaluation(gallery, tmp_path_factory):
    images, embeddings = gallery
    folder = tmp_path_factory.mktemp("gallery")
    version = folder / "net" / "1"
    version.mkdir(parents=True)
    (version / "model.json").write_text(json.dumps(CARD))
    with open(folder / "gallery", "wb") as file:
        file.write(numpy.array([len(images), embeddings.shape[1], *images], numpy.uint32).tobytes() + embeddings.tobytes())
    run = subprocess.run([TOOL, version, folder / "gallery"], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def pairs(gallery, evaluation):
    return Pairs(*gallery, evaluation["data"]["distance_resolution"])


def close(value, expected):
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_counts(gallery, evaluation, pairs):
    images, _ = gallery
    assert evaluation["data"]["people"] == len(images)
    assert evaluation["data"]["people_with_two_images"] == (images > 1).sum()
    assert evaluation["data"]["images"] == images.sum()
    assert evaluation["pairs"] == len(pairs.same)
    assert evaluation["genuine"] == pairs.same.sum()
    assert evaluation["impostor"] == (~pairs.same).sum()


def test_figures_at_the_threshold(evaluation, pairs):
    accepted = pairs.distance < evaluation["threshold"]
    options = {"sample_weight": pairs.weight}
    close(evaluation["accuracy"], metrics.accuracy_score(pairs.same, accepted, **options))
    close(evaluation["precision"], metrics.precision_score(pairs.same, accepted, **options))
    close(evaluation["recall"], metrics.recall_score(pairs.same, accepted, **options))
    close(evaluation["f1"], metrics.f1_score(pairs.same, accepted, **options))
    fmr, fnmr = pairs.rates(evaluation["threshold"])
    close(evaluation["fmr"], fmr)
    close(evaluation["fnmr"], fnmr)
    failures = 10 / (evaluation["data"]["images"] + 10)
    close(evaluation["failure_to_acquire"], failures)
    close(evaluation["false_reject_rate"], failures + (1 - failures) * fnmr)


def test_area_and_equal_error(evaluation, pairs):
    close(evaluation["roc_auc"], metrics.roc_auc_score(pairs.same, -pairs.distance, sample_weight=pairs.weight))
    fpr, tpr, _ = metrics.roc_curve(pairs.same, -pairs.distance, sample_weight=pairs.weight, drop_intermediate=False)
    difference = fpr - (1 - tpr)
    k = int(numpy.argmax(difference >= 0))
    s = -difference[k - 1] / (difference[k] - difference[k - 1])
    close(evaluation["eer"], fpr[k - 1] + s * (fpr[k] - fpr[k - 1]))


def test_operating_points(evaluation, pairs):
    points = evaluation["operating_points"]
    assert [point["max_fmr"] for point in points] == [0.1, 0.01, 0.001][: len(points)]
    assert len(points) >= 2
    resolution = evaluation["data"]["distance_resolution"]
    for point in points:
        fmr, fnmr = pairs.rates(point["threshold"])
        close(point["fmr"], fmr)
        close(point["fnmr"], fnmr)
        assert fmr <= point["max_fmr"] * (1 + 1e-9)
        assert pairs.rates(point["threshold"] + resolution)[0] > point["max_fmr"]  # it is the largest that keeps to it
        assert point["fmr_low"] >= point["max_fmr"] / 3 and point["fmr_high"] <= point["max_fmr"] * 3
        failures = evaluation["failure_to_acquire"]
        close(point["false_reject_rate"], failures + (1 - failures) * fnmr)


def test_the_cards_thresholds(evaluation, pairs):
    assert [point["threshold"] for point in evaluation["card_thresholds"]] == pytest.approx([0.52, 0.4307], abs=1e-12)
    for point in evaluation["card_thresholds"]:
        fmr, fnmr = pairs.rates(point["threshold"])
        close(point["fmr"], fmr)
        close(point["fnmr"], fnmr)


def test_intervals_are_those_of_a_bootstrap_over_people(gallery, evaluation, pairs):
    people = len(gallery[0])
    point = evaluation["operating_points"][1]
    below = pairs.distance < point["threshold"] - 1e-9
    share = numpy.zeros((people, people))  # of the images' pairs of each pair of people
    numpy.add.at(share, (pairs.a, pairs.b), pairs.weight * below)
    mass = numpy.zeros((people, people))
    numpy.add.at(mass, (pairs.a, pairs.b), pairs.weight)
    own = numpy.diag(mass)
    other = numpy.triu(mass, 1)
    fmr, fnmr = [], []
    for replicate in range(evaluation["method"]["replicates"]):
        generator = Random(evaluation["method"]["seed"] + replicate)
        times = numpy.bincount([generator.below(people) for _ in range(people)], minlength=people).astype(float)
        fmr.append(times @ numpy.triu(share, 1) @ times / (times @ other @ times))
        fnmr.append(1 - (times * numpy.diag(share)).sum() / (times * own).sum())
    for name, values in (("fmr", fmr), ("fnmr", fnmr)):
        low, high = numpy.percentile(values, [2.5, 97.5])
        if name == "fnmr":
            high = max(high, 3 / evaluation["data"]["people_with_two_images"])
        assert point[name + "_low"] == pytest.approx(low, rel=1e-5)  # its sums are in float
        assert point[name + "_high"] == pytest.approx(high, rel=1e-5)
        assert low < point[name] < high


def test_calibration(evaluation, pairs):
    table = CARD["probability"]
    llr = numpy.interp(pairs.middle, table["distance"], table["log_likelihood_ratio"])
    probability = 1 / (1 + numpy.exp(-llr))
    weight = pairs.weight / 2
    calibration = evaluation["calibration"]
    close(calibration["log_loss"], metrics.log_loss(pairs.same, probability, sample_weight=weight))
    mass = numpy.bincount(pairs.bin, weight)
    place = numpy.minimum(((numpy.cumsum(mass) - mass / 2) * 15).astype(int), 14)[pairs.bin]
    error = 0
    for number, entry in enumerate(calibration["bins"]):
        chosen = place == number
        close(entry["mass"], weight[chosen].sum())
        close(entry["predicted"], (weight * probability)[chosen].sum() / weight[chosen].sum())
        close(entry["observed"], (weight * pairs.same)[chosen].sum() / weight[chosen].sum())
        error += abs((weight * (probability - pairs.same))[chosen].sum())
    close(calibration["error"], error)
    accepted = pairs.distance < evaluation["threshold"]
    two_valued = numpy.where(
        accepted,
        weight[accepted & pairs.same].sum() / weight[accepted].sum(),
        weight[~accepted & pairs.same].sum() / weight[~accepted].sum(),
    )
    close(calibration["two_valued_log_loss"], metrics.log_loss(pairs.same, two_valued, sample_weight=weight))


def test_the_mean_embedding(gallery, evaluation):
    images, embeddings = gallery
    each = 1 / (len(images) * numpy.repeat(images, images))  # everyone weighs the same in the mean too
    mean = (each @ embeddings.astype(numpy.float64)).astype(numpy.float32).astype(numpy.float64)
    distance = numpy.sqrt(((embeddings.astype(numpy.float64) - mean) ** 2).sum(axis=1))
    person = numpy.repeat(numpy.arange(len(images)), images)
    assert evaluation["master_face_rate"]["threshold"] == 0.4307
    matched = numpy.bincount(person, distance < 0.4307) / images
    close(evaluation["master_face_rate"]["mean_embedding"], matched.mean())
    assert evaluation["master_face_rate"]["refused"] is None  # the card has no mean to keep away from


def test_groups(gallery, evaluation):
    images, embeddings = gallery
    person = numpy.repeat(numpy.arange(len(images)), images)
    table = evaluation["differential_performance"]
    assert [group["group"] for group in table["groups"]] == ["even", "odd"]
    for number, group in enumerate(table["groups"]):
        own = Pairs(images[number::2], embeddings[person % 2 == number], evaluation["data"]["distance_resolution"])
        assert group["people"] == len(images[number::2])
        fmr, fnmr = own.rates(table["threshold"])
        close(group["fmr"], fmr)
        close(group["fnmr"], fnmr)
        assert group["fmr_low"] <= fmr <= group["fmr_high"]
