"""The learned head and the mean that genuine faces keep away from, computed again with NumPy and scikit-learn."""
import json
import os
import pathlib
import subprocess

import numpy
import pytest
from sklearn import covariance

TOOL = pathlib.Path(os.environ["FACEPAIR_BUILD"]) / "tests" / "learn_head"
SHARE = 0.01


def run(folder, images, embeddings, share=SHARE):
    with open(folder / "gallery", "wb") as file:
        file.write(numpy.array([len(images), embeddings.shape[1], *images], numpy.uint32).tobytes() + embeddings.tobytes())
    return subprocess.run([TOOL, folder / "gallery", str(share)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def gallery():
    """People whose images scatter more in some directions than in others, and more for some people."""
    rng = numpy.random.default_rng(11)
    images = rng.choice([1, 1, 2, 2, 3, 9, 60], size=300)
    length = 24
    spread = rng.normal(0, 1, (length, length)) * numpy.geomspace(0.3, 0.003, length)
    own = rng.normal(0, 0.2, (len(images), length))
    parts = [own[p] + rng.uniform(0.5, 1.5) * rng.normal(0, 1, (n, length)) @ spread.T for p, n in enumerate(images)]
    return images, numpy.concatenate(parts).astype(numpy.float32)


@pytest.fixture(scope="module")
def learned(gallery, tmp_path_factory):
    told = run(tmp_path_factory.mktemp("gallery"), *gallery)
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    length = gallery[1].shape[1]
    answer["head"] = numpy.array(answer["head"]).reshape(length, length)
    return answer


@pytest.fixture(scope="module")
def shrunk(gallery):
    """The covariance within people plus its mean eigenvalue, by scikit-learn and an eigenvalue decomposition."""
    images, embeddings = gallery
    person = numpy.repeat(numpy.arange(len(images)), images)
    each = [
        covariance.empirical_covariance(embeddings[person == p].astype(numpy.float64)) * n / (n - 1)
        for p, n in enumerate(images) if n > 1
    ]
    within = numpy.mean(each, axis=0)
    eigenvalue = numpy.linalg.eigvalsh(within).mean()
    return within + eigenvalue * numpy.eye(len(within)), eigenvalue


def relative(value, expected):
    return abs(value - expected).max() / abs(expected).max()


def test_the_head_is_the_inverse_root_of_the_covariance_within_people(learned, shrunk):
    matrix, eigenvalue = shrunk
    head = learned["head"]
    assert relative(head.T @ head, 2 * eigenvalue * numpy.linalg.inv(matrix)) <= 1e-5
    assert relative(head, numpy.sqrt(2 * eigenvalue) * numpy.linalg.inv(numpy.linalg.cholesky(matrix))) <= 1e-5
    assert (numpy.triu(head, 1) == 0).all()


def test_its_distances_are_those_of_the_symmetric_root(gallery, learned, shrunk):
    matrix, eigenvalue = shrunk
    values, vectors = numpy.linalg.eigh(matrix)
    symmetric = numpy.sqrt(2 * eigenvalue) * (vectors / numpy.sqrt(values)) @ vectors.T
    difference = gallery[1][1:].astype(numpy.float64) - gallery[1][:-1]
    ours = numpy.linalg.norm(difference @ learned["head"].T, axis=1)
    theirs = numpy.linalg.norm(difference @ symmetric.T, axis=1)
    assert (abs(ours / theirs - 1) <= 1e-5).all()


def test_people_within_whom_images_vary_alike_in_all_directions_get_the_identity(tmp_path):
    corners = numpy.concatenate([numpy.eye(6), -numpy.eye(6)]).astype(numpy.float32)
    told = run(tmp_path, [12, 12], numpy.concatenate([corners + 2, corners - 5]).astype(numpy.float32))
    head = numpy.array(json.loads(told.stdout)["head"]).reshape(6, 6)
    assert abs(head - numpy.eye(6)).max() <= 1e-6


def test_what_the_checks_would_notice(gallery, learned, shrunk):
    """A covariance in which each image weighs the same, and one without the mean eigenvalue, are other heads."""
    images, embeddings = gallery
    matrix, eigenvalue = shrunk
    person = numpy.repeat(numpy.arange(len(images)), images)
    centred = numpy.concatenate([embeddings[person == p] - embeddings[person == p].mean(axis=0) for p in range(len(images))])
    pooled = centred.T @ centred / (len(embeddings) - len(images))
    pooled += numpy.trace(pooled) / len(pooled) * numpy.eye(len(pooled))
    ours = learned["head"].T @ learned["head"] / (2 * eigenvalue)
    assert relative(ours, numpy.linalg.inv(pooled)) > 1e-3
    assert relative(ours, numpy.linalg.inv(matrix - eigenvalue * numpy.eye(len(matrix)))) > 1e-3


@pytest.mark.parametrize("images, change", [
    ([1, 1, 1], "single"),
    ([2, 2], "equal"),
    ([2, 2], "infinite"),
])
def test_what_cannot_be_learned_from_is_refused(tmp_path, images, change):
    embeddings = numpy.random.default_rng(1).normal(0, 1, (sum(images), 4)).astype(numpy.float32)
    if change == "equal":
        embeddings[:] = 1
    if change == "infinite":
        embeddings[1, 2] = numpy.inf
    told = run(tmp_path, images, embeddings)
    assert told.returncode == 1 and told.stderr


def test_genuine_faces_keep_away_from_the_mean(gallery, learned):
    images, embeddings = gallery
    weight = numpy.repeat(1 / (len(images) * images), images)
    mean = weight @ embeddings.astype(numpy.float64)
    assert relative(numpy.array(learned["mean"]), mean) <= 1e-6
    distance = numpy.linalg.norm(embeddings - mean.astype(numpy.float32).astype(numpy.float64), axis=1)
    nearer = weight[distance < learned["distance_min"] * (1 - 1e-12)].sum()
    next_one = distance[distance > learned["distance_min"] * (1 + 1e-12)].min()
    assert nearer <= SHARE < weight[distance < next_one].sum()
    assert abs(distance - learned["distance_min"]).min() <= 1e-9
