"""Evaluations and calibrations over HTTP: the same verbs as fine-tunes, and the same figures as the command line."""
import json
import os
import pathlib
import subprocess

import contract
import pytest
from data_sets import CALIBRATIONS, EVALUATIONS, FINE_TUNES, Admin, archive, people, small_photograph
from jobs import Trainer
from photographs import portrait, saved
from service import DATA, PHOTOS, PROGRAM, Service, clean_environment, wait_until, write_stub_data
from versions import Version, own_models

BODY = {"base_model": "dlib-resnet", "dataset": "cameras"}
KINDS = {EVALUATIONS: ("evaluation", "ev_"), CALIBRATIONS: ("calibration", "cb_")}
NUMBER = "01890a5d-ac96-774b-bcce-b302099a8057"
LFW = os.environ.get("FACEPAIR_LFW")

both = pytest.mark.parametrize("path", KINDS)


@pytest.fixture
def own(start_stub, tmp_path):
    """A service with a store of its own, and a data set that is ready."""
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", data=data), data)
    admin.ready("cameras")
    return admin


# ---- creating ----

def test_an_evaluation_is_queued_with_the_defaults_of_the_command_line(own, openapi):
    answer = own.create(BODY, EVALUATIONS)
    contract.check(openapi, EVALUATIONS, "post", answer)
    job = answer.json
    assert (answer.status, answer.headers["Location"]) == (202, f"{EVALUATIONS}/{job['id']}")
    assert job["id"].startswith("ev_") and (job["object"], job["status"]) == ("evaluation", "queued")
    assert (job["base_model"], job["dataset_sha256"]) == ("dlib-resnet@1", own.dataset("cameras")["sha256"])
    assert (job["source"], job["threshold"], job["view2"], job["protocol"]) == ({"kind": "all"}, 0.6, False, "cameras")
    assert (job["face"], job["no_face"], job["replicates"], job["seed"]) == ("largest", "reject", 1000, 1)
    shown = own.request("GET", answer.headers["Location"])
    contract.check(openapi, EVALUATIONS + "/{job}", "get", shown)
    assert shown.json == job


def test_a_calibration_is_queued_with_the_defaults_of_the_command_line(own, openapi):
    answer = own.create(BODY | {"source": {"kind": "people", "file": "people.txt"}, "head": {"file": "others.txt"}}, CALIBRATIONS)
    contract.check(openapi, CALIBRATIONS, "post", answer)
    job = answer.json
    assert (answer.status, answer.headers["Location"]) == (202, f"{CALIBRATIONS}/{job['id']}")
    assert job["id"].startswith("cb_") and (job["object"], job["status"]) == ("calibration", "queued")
    assert (job["mirror"], job["normalise"], job["head"]) == (False, False, {"file": "others.txt"})
    assert job["source"] == {"kind": "people", "file": "people.txt"} and job["promotion"]["status"] == "none"
    shown = own.request("GET", answer.headers["Location"])
    contract.check(openapi, CALIBRATIONS + "/{job}", "get", shown)
    assert shown.json == job


@pytest.mark.parametrize("path, body, fields", [
    (EVALUATIONS, {"dataset": "Cameras", "replicates": 3, "epochs": 2}, {"base_model", "dataset", "replicates", "epochs"}),
    (EVALUATIONS, BODY | {"source": {"kind": "people"}}, {"source.file"}),
    (EVALUATIONS, BODY | {"source": {"kind": "all", "file": "people.txt"}}, {"source.file"}),
    (EVALUATIONS, BODY | {"source": {"kind": "pairs", "file": "../pairs.txt"}}, {"source.file"}),
    (EVALUATIONS, BODY | {"view2": True, "threshold": 0, "mirror": True}, {"view2", "threshold", "mirror"}),
    (CALIBRATIONS, BODY | {"threshold": 0.6, "head": {}}, {"threshold", "head.file"}),
    (CALIBRATIONS, BODY | {"source": {"kind": "pairs", "file": "pairs.txt"}, "head": {"file": "people.txt"}}, {"head"})])
def test_every_fault_of_a_body_is_told(own, openapi, path, body, fields):
    answer = own.create(body, path)
    contract.check_problem(openapi, path, "post", answer, 400, answer.json["code"])
    assert {field for _, field in answer.codes} == fields


@both
@pytest.mark.parametrize("body, status, code", [
    ("{", 400, "invalid_json"), (BODY | {"base_model": "nobody"}, 404, "unknown_model"),
    (BODY | {"dataset": "nothing"}, 404, "not_found")])
def test_a_body_that_cannot_be_followed_is_told(own, openapi, path, body, status, code):
    contract.check_problem(openapi, path, "post", own.create(body, path), status, code)


@both
def test_a_data_set_must_be_ready(own, openapi, path):
    own.upload("fresh", archive(people(small_photograph(), Ada=2)))
    contract.check_problem(openapi, path, "post", own.create(BODY | {"dataset": "fresh"}, path), 409, "wrong_state")


def test_a_key_is_for_one_kind_of_job(own, openapi):
    first = own.create(BODY, EVALUATIONS, Idempotency_Key="k")
    again = own.create(BODY, EVALUATIONS, Idempotency_Key="k")
    other = own.create(BODY, CALIBRATIONS, Idempotency_Key="k")
    assert (again.status, again.json, again.headers["Location"]) == (202, first.json, first.headers["Location"])
    assert other.status == 202 and other.json["object"] == "calibration"
    contract.check_problem(openapi, EVALUATIONS, "post", own.create(BODY | {"seed": 2}, EVALUATIONS, Idempotency_Key="k"), 422,
                           "idempotency_key_reused")


# ---- each kind under its own path ----

def test_each_kind_is_listed_alone(own, openapi):
    ids = {path: own.create(BODY, path).json["id"] for path in (FINE_TUNES, *KINDS)}
    for path, job in ids.items():
        answer = own.request("GET", path)
        contract.check(openapi, path, "get", answer)
        assert [listed["id"] for listed in answer.json["data"]] == [job]


@both
def test_a_page_leads_to_the_next_of_its_kind(own, path):
    ids = [own.create(BODY, path).json["id"] for _ in range(2)]
    page = own.request("GET", path + "?limit=1").json
    assert page["next"].startswith(path + "?") and [job["id"] for job in page["data"]] == ids[1:]
    assert [job["id"] for job in own.request("GET", page["next"]).json["data"]] == ids[:1]


@both
def test_an_id_of_another_kind_is_none_here(own, openapi, path):
    answer = own.request("GET", f"{path}/ft_{NUMBER}")
    contract.check_problem(openapi, path + "/{job}", "get", answer, 400, "invalid_name")
    assert KINDS[path][1] in answer.json["detail"]
    missing = own.request("GET", f"{path}/{KINDS[path][1]}{NUMBER}")
    contract.check_problem(openapi, path + "/{job}", "get", missing, 404, "not_found")


@both
def test_a_job_that_waits_is_cancelled_and_removed(own, openapi, path):
    job = own.create(BODY, path).json["id"]
    contract.check_problem(openapi, path + "/{job}", "delete", own.request("DELETE", f"{path}/{job}"), 409, "wrong_state")
    answer = own.tell(job, "cancel", path)
    contract.check(openapi, path + "/{job}/cancel", "post", answer)
    assert answer.json["status"] == "cancelled"
    events = own.request("GET", f"{path}/{job}/events")
    contract.check(openapi, path + "/{job}/events", "get", events)
    assert [event["data"]["status"] for event in events.json["data"]] == ["queued", "cancelling", "cancelled"]
    assert own.request("DELETE", f"{path}/{job}").status == 204
    assert own.request("GET", f"{path}/{job}").status == 404


@both
def test_a_job_that_runs_is_paused_and_resumed(own, openapi, path):
    job = own.create(BODY, path).json["id"]
    claim = own.claim()
    assert claim[0] == job
    answer = own.tell(job, "pause", path)
    contract.check(openapi, path + "/{job}/pause", "post", answer)
    own.drive("finish", *claim, "paused")
    assert own.job(job, path)["status"] == "paused"
    answer = own.tell(job, "resume", path)
    contract.check(openapi, path + "/{job}/resume", "post", answer)
    assert answer.json["status"] == "queued"


@both
def test_a_pause_comes_within_a_window_of_photographs(own, path):
    """Each photograph takes three seconds, all of them together 48."""
    assert own.upload("slow", archive(people(b"STUB:hang", Ada=8, Bo=8))).status == 201
    own.drive("check", "slow", "ready")
    job = own.create(BODY | {"dataset": "slow"}, path).json["id"]
    trainer = Trainer(own.data, "--trainer-threads", "1")
    try:
        wait_until(lambda: own.job(job, path)["status"] == "running")
        own.tell(job, "pause", path)
        wait_until(lambda: own.job(job, path)["status"] == "paused", 30)
    finally:
        trainer.stop()


def test_jobs_of_all_kinds_are_claimed_in_their_order(own):
    ids = [own.create(BODY, path).json["id"] for path in (CALIBRATIONS, FINE_TUNES, EVALUATIONS)]
    assert [own.claim()[0] for _ in ids] == ids


@both
def test_jobs_are_counted_by_kind(own, path):
    own.create(BODY, path)
    line = f'facepair_jobs{{kind="{KINDS[path][0]}",status="queued"}} 1'
    wait_until(lambda: line in own.request("GET", "/metrics").body.decode())


def test_a_data_set_is_kept_while_one_is_evaluated(own, openapi):
    job = own.create(BODY, EVALUATIONS).json["id"]
    contract.check_problem(openapi, "/admin/v1/datasets/{dataset}", "delete", own.request("DELETE", "/admin/v1/datasets/cameras"), 409,
                           "in_use")
    own.tell(job, "cancel", EVALUATIONS)
    assert own.request("DELETE", "/admin/v1/datasets/cameras").status == 204


# ---- the figures, with the real network ----

def portraits():
    """[(member, bytes)]: three people from the example photographs, each in other lights and sizes."""
    sources = {"Ada": ["astronaut.png"], "Bo": ["biden.jpg"], "Obama": ["obama.jpg", "obama2.jpg"]}
    members = []
    for person, names in sources.items():
        number = 0
        for name in names:
            for light in (0.5, 0.7, 1.0, 1.4, 1.8):
                number += 1
                ending = ("jpg", "png", "webp")[number % 3]
                members.append((f"{person}/{person}_{number:04d}.{ending}",
                                saved(portrait(name, light), {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[ending])))
    return members


def lists_of(members):
    counts = {}
    for name, _ in members:
        counts[name.split("/")[0]] = counts.get(name.split("/")[0], 0) + 1
    names = sorted(counts)
    same = [f"{person}\t{i}\t{j}" for person in names for i in range(1, counts[person] + 1) for j in range(1, i)]
    different = [f"{a}\t{i}\t{b}\t{j}" for a in names for b in names if a < b
                 for i in range(1, counts[a] + 1) for j in range(1, counts[b] + 1)]
    count = min(len(same), len(different))
    pairs = [str(count), *same[:count], *different[:count]]
    return [("people.txt", f"{len(names)}\n".encode() + "".join(f"{name}\t{counts[name]}\n" for name in names).encode()),
            ("pairs.txt", "\n".join([*pairs, ""]).encode())]


def facepair(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], env=clean_environment(), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Bench:
    """The real program with a data set, and the same photographs and models for the command line."""

    def __init__(self, folder, members):
        self.images = folder / "images"
        for name, contents in members:
            (self.images / name).parent.mkdir(parents=True, exist_ok=True)
            (self.images / name).write_bytes(contents)
        self.data, self.by_hand = own_models(DATA, folder / "data"), own_models(DATA, folder / "by-hand")
        self.service = Service(PROGRAM, self.data, "--default-max-fmr", "0.1")  # what so few pairs support
        self.admin = Admin(self.service, self.data)
        assert self.admin.upload("cameras", archive(members)).status == 201
        self.admin.service.event("trainer_started")
        wait_until(lambda: self.admin.dataset("cameras")["status"] != "validating")
        assert self.admin.dataset("cameras")["status"] == "ready"

    def run(self, path, **body):
        job = self.admin.create(BODY | body, path).json
        return wait_until(lambda: (now := self.admin.job(job["id"], path))["finished_at"] and now)

    def evaluate(self, *options):
        return json.loads(facepair("evaluate", "dlib-resnet", "--images", self.images, "--data", self.by_hand, "--json", *options))


def as_answered(value):
    """Numbers in answers have nine significant digits."""
    if isinstance(value, dict):
        return {name: as_answered(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_answered(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    members = portraits()
    bench = Bench(tmp_path_factory.mktemp("bench"), members + lists_of(members))
    yield bench
    assert bench.service.stop() == 0


@pytest.mark.parametrize("source, options, command", [
    ("all", {}, ("--all-pairs", "--people", "people.txt", "--protocol", "cameras")),
    ("people", {"seed": 7, "replicates": 100}, ("--all-pairs", "--people", "people.txt", "--seed", "7", "--replicates", "100")),
    ("pairs", {"face": "centre", "threshold": 0.5}, ("--pairs", "pairs.txt", "--face", "centre", "--threshold", "0.5"))])
def test_an_evaluation_says_what_the_command_line_says(bench, openapi, source, options, command):
    named = {"kind": source} | ({} if source == "all" else {"file": f"{source}.txt"})
    job = bench.run(EVALUATIONS, source=named, **options)
    answer = bench.admin.request("GET", f"{EVALUATIONS}/{job['id']}")
    contract.check(openapi, EVALUATIONS + "/{job}", "get", answer)
    assert (job["status"], job["error"]) == ("succeeded", None)
    assert (job["result"]["model"], job["result"]["version"], job["result"]["better"]) == ("dlib-resnet", "1", None)
    by_hand = bench.evaluate(*(bench.images / word if word.endswith(".txt") else word for word in command))
    if source == "all":  # there is no list, and so no hash of one
        by_hand["data"]["people_file_sha256"] = by_hand["data"]["people_sha256"]
    assert job["result"]["evaluation"] == as_answered(by_hand)


def test_a_calibration_publishes_what_the_command_line_publishes_and_it_can_be_promoted(bench, openapi):
    job = bench.run(CALIBRATIONS, source={"kind": "pairs", "file": "pairs.txt"}, mirror=True)
    answer = bench.admin.request("GET", f"{CALIBRATIONS}/{job['id']}")
    contract.check(openapi, CALIBRATIONS + "/{job}", "get", answer)
    assert (job["status"], job["error"], job["result"]["evaluation"]) == ("succeeded", None, None)
    told = facepair("calibrate", "dlib-resnet", "--images", bench.images, "--pairs", bench.images / "pairs.txt", "--mirror",
                    "--data", bench.by_hand)
    assert told.startswith("dlib-resnet@2: ")
    ours, theirs = (Version(data, "dlib-resnet", number).card
                    for data, number in ((bench.data, job["result"]["version"]), (bench.by_hand, "2")))
    assert ours["calibration_data"].pop("job") == job["id"]
    assert ours | {"version": "2"} == theirs
    assert bench.admin.dataset("cameras")["versions"] == [{"model": "dlib-resnet", "version": job["result"]["version"],
                                                           "job": job["id"]}]
    promoted = bench.admin.request("PUT", "/admin/v1/models/dlib-resnet/active", json.dumps({"version": job["result"]["version"]}),
                                   Content_Type="application/json")
    assert promoted.status == 200
    photographs = [(field, (PHOTOS / name).read_bytes()) for field, name in (("image1", "obama.jpg"), ("image2", "obama2.jpg"))]
    assert bench.service.verify(photographs).json["model"]["version"] == job["result"]["version"]
    back = bench.admin.request("PUT", "/admin/v1/models/dlib-resnet/active", json.dumps({"version": "1"}),
                               Content_Type="application/json")
    assert back.status == 200


@pytest.mark.parametrize("path, body, code, said", [
    (EVALUATIONS, {"source": {"kind": "pairs", "file": "pairs-of-nobody.txt"}}, "invalid_field", "pairs-of-nobody.txt"),
    (CALIBRATIONS, {"source": {"kind": "people", "file": "people.txt"}, "head": {"file": "people.txt"}}, "invalid_field", "calibrated")])
def test_a_job_that_cannot_be_done_tells_why(bench, path, body, code, said):
    job = bench.run(path, **body)
    assert (job["status"], job["error"]["code"]) == ("failed", code)
    assert said in job["error"]["message"] and str(bench.data) not in job["error"]["message"]


@pytest.mark.skipif(not LFW, reason="FACEPAIR_LFW is not set")
def test_a_calibration_on_all_pairs_publishes_what_the_command_line_publishes(tmp_path):
    lines = [line.split("\t") for line in (pathlib.Path(LFW) / "peopleDevTrain.txt").read_text().splitlines()[1:]]
    chosen = [name for name, count in lines if count == "2"][:60]
    members = [(f"{name}/{name}_{i:04d}.jpg", (pathlib.Path(LFW) / "lfw-deepfunneled" / name / f"{name}_{i:04d}.jpg").read_bytes())
               for name in chosen for i in (1, 2)]
    listed = [("people.txt", f"{len(chosen)}\n".encode() + "".join(f"{name}\t2\n" for name in sorted(chosen)).encode())]
    bench = Bench(tmp_path, members + listed)
    try:
        job = bench.run(CALIBRATIONS, source={"kind": "people", "file": "people.txt"}, replicates=100)
        assert (job["status"], job["error"]) == ("succeeded", None)
        facepair("calibrate", "dlib-resnet", "--images", bench.images, "--people", bench.images / "people.txt", "--replicates", "100",
                 "--data", bench.by_hand)
        ours, theirs = (Version(data, "dlib-resnet", "2") for data in (bench.data, bench.by_hand))
        card = ours.card
        assert card["calibration_data"].pop("job") == job["id"] and len(card["thresholds"]["values"]) >= 2
        assert card == theirs.card
        hashes = [(version.path / "calibration-people.txt").read_bytes() for version in (ours, theirs)]
        assert hashes[0] == hashes[1]
    finally:
        assert bench.service.stop() == 0
