"""Fine-tuning jobs over HTTP. The trainer's part is played by tests/store_drive.c, but at the end by the stub's trainer."""
import json
import shutil
import time

import contract
import pytest
from data_sets import FINE_TUNES, Admin, archive, people, small_photograph
from service import PATIENCE_S, write_stub_data

JOB = FINE_TUNES + "/{job}"
BODY = {"base_model": "dlib-resnet", "dataset": "cameras"}
NOBODY = "ft_01890a5d-ac96-774b-bcce-b302099a8057"


def add_version(data, name="dlib-resnet", version="2", **changes):
    """A version beside the first, as a job would publish it."""
    source, target = data / "models" / name / "1", data / "models" / name / version
    shutil.copytree(source, target)
    card = json.loads((target / "model.json").read_text()) | {"version": version} | changes
    (target / "model.json").write_text(json.dumps(card))


@pytest.fixture
def own(start_stub, tmp_path):
    """A service with a store of its own, and a data set that is ready."""
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", data=data), data)
    admin.ready("cameras")
    return admin


def eventually(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---- creating ----

def test_a_job_is_queued_with_every_default_filled_in(own, openapi):
    answer = own.create(BODY)
    contract.check(openapi, FINE_TUNES, "post", answer)
    job = answer.json
    assert (answer.status, answer.headers["Location"]) == (202, f"{FINE_TUNES}/{job['id']}")
    assert (job["status"], job["base_model"], job["compare_to"]) == ("queued", "dlib-resnet@1", "dlib-resnet@1")
    assert (job["name"], job["promote"], job["promotion"]["status"]) == ("dlib-resnet", "never", "none")
    parameters = job["hyperparameters"]
    assert {name: parameters[name] for name in ("epochs", "batch_size", "learning_rate", "margin", "loss", "trainable",
                                                "scheduler", "seed")} == {
        "epochs": 20, "batch_size": 32, "learning_rate": 0.001, "margin": 1.0, "loss": "contrastive",
        "trainable": "last_block", "scheduler": {"factor": 0.1, "patience": 5}, "seed": 1}
    assert job["dataset_sha256"] == own.dataset("cameras")["sha256"]
    shown = own.request("GET", answer.headers["Location"])
    contract.check(openapi, JOB, "get", shown)
    assert shown.json == job


def test_every_fault_of_a_body_is_told(own, openapi):
    answer = own.create({"dataset": "Cameras", "epochs": 3, "hyperparameters": {"epochs": 0, "learning_rate": "fast"}},
                        Idempotency_Key="x" * 256)
    contract.check_problem(openapi, FINE_TUNES, "post", answer, 400, answer.json["code"])
    assert {field for _, field in answer.codes} == {"base_model", "dataset", "epochs", "hyperparameters.epochs",
                                                    "hyperparameters.learning_rate", "Idempotency-Key"}


@pytest.mark.parametrize("body, status, code", [
    ("{", 400, "invalid_json"), ("", 400, "invalid_json"), ("[]", 400, None),
    ({**BODY, "base_model": "nobody"}, 404, "unknown_model"), ({**BODY, "base_model": "dlib-resnet@7"}, 404, "unknown_model"),
    ({**BODY, "compare_to": "nobody"}, 404, "unknown_model"), ({**BODY, "dataset": "nothing"}, 404, "not_found"),
    ({**BODY, "resume_from": NOBODY}, 404, "not_found")])
def test_a_body_that_cannot_be_followed_is_told(own, openapi, body, status, code):
    answer = own.create(body)
    contract.check_problem(openapi, FINE_TUNES, "post", answer, status, code or answer.json["code"])


def test_a_program_learns_nothing(own, openapi):
    data = own.data / "models" / "program" / "1"
    data.mkdir(parents=True)
    card = json.loads((own.data / "models" / "dlib-resnet" / "1" / "model.json").read_text())
    card |= {"name": "program", "architecture": "torchscript", "weights": {"file": "module.pt", "sha256": "0" * 64}}
    (data / "model.json").write_text(json.dumps(card))
    answer = own.create({**BODY, "base_model": "program@1"})
    contract.check_problem(openapi, FINE_TUNES, "post", answer, 409, "not_trainable")


def test_a_data_set_must_be_ready(own, openapi):
    own.upload("fresh", archive(people(small_photograph(), Ada=2)))
    answer = own.create({**BODY, "dataset": "fresh"})
    contract.check_problem(openapi, FINE_TUNES, "post", answer, 409, "wrong_state")


def test_the_body_must_be_json(own, openapi):
    answer = own.create(BODY, Content_Type="text/plain")
    contract.check_problem(openapi, FINE_TUNES, "post", answer, 415, "unsupported_media_type")


def test_a_key_makes_one_job_of_one_body(own, openapi):
    first = own.create(BODY, Idempotency_Key="k 1")
    again = own.create(BODY, Idempotency_Key="k 1")
    assert (again.status, again.json, again.headers["Location"]) == (202, first.json, first.headers["Location"])
    other = own.create({**BODY, "promote": "if_better"}, Idempotency_Key="k 1")
    contract.check_problem(openapi, FINE_TUNES, "post", other, 422, "idempotency_key_reused")
    assert own.create(BODY, Idempotency_Key="k 2").json["id"] != first.json["id"]
    assert len(own.request("GET", FINE_TUNES).json["data"]) == 2


def test_a_key_is_answered_as_before_although_the_data_set_is_gone(own):
    first = own.create(BODY, Idempotency_Key="k 1")
    assert own.tell(first.json["id"], "cancel").status == 200
    assert own.request("DELETE", "/admin/v1/datasets/cameras").status == 204
    again = own.create(BODY, Idempotency_Key="k 1")
    assert (again.status, again.json) == (202, first.json)
    assert own.create(BODY, Idempotency_Key="k 2").status == 404


def test_the_queue_has_an_end(own, openapi):
    for _ in range(100):
        assert own.create(BODY).status == 202
    contract.check_problem(openapi, FINE_TUNES, "post", own.create(BODY), 503, "overloaded")


# ---- lists ----

def test_jobs_are_listed_newest_first_by_status_model_and_data_set(own, openapi):
    own.ready("others", Cy=2, Dee=2)
    ids = [own.create({**BODY, "dataset": name}).json["id"] for name in ("cameras", "others", "cameras")]
    own.tell(ids[0], "cancel")

    def listed(query=""):
        answer = own.request("GET", FINE_TUNES + query)
        contract.check(openapi, FINE_TUNES, "get", answer)
        return [job["id"] for job in answer.json["data"]]

    assert listed() == ids[::-1]
    assert listed("?dataset=others") == [ids[1]]
    assert listed("?status=queued") == [ids[2], ids[1]] and listed("?status=cancelled") == [ids[0]]
    assert listed("?model=dlib-resnet") == ids[::-1] and listed("?model=another") == []
    page = own.request("GET", FINE_TUNES + "?limit=1&dataset=cameras").json
    assert [job["id"] for job in page["data"]] == [ids[2]] and page["has_more"]
    page = own.request("GET", page["next"]).json
    assert [job["id"] for job in page["data"]] == [ids[0]] and not page["has_more"]


@pytest.mark.parametrize("query, code", [("?status=done", "invalid_field"), ("?after=x", "invalid_field"),
                                         ("?model=A", "invalid_name"), ("?state=queued", "unknown_field")])
def test_a_filter_that_cannot_be_is_told(stub, openapi, query, code):
    answer = stub.get(FINE_TUNES + query, stub.admin_port)
    contract.check_problem(openapi, FINE_TUNES, "get", answer, 400, code)


# ---- one ----

def test_progress_losses_and_checkpoints_are_told(own, openapi):
    job = own.create(BODY).json["id"]
    claim = own.claim()
    own.drive("progress", *claim, 2, 5, 40)
    own.drive("metrics", *claim, 1, 0.5, 0.75)
    own.drive("metrics", *claim, 2, 0.25, 0.5)
    own.drive("checkpoint", *claim, 2, "checkpoint-2", 4096)
    told = own.request("GET", f"{FINE_TUNES}/{job}")
    contract.check(openapi, JOB, "get", told)
    assert told.json["status"] == "running"
    assert told.json["progress"] == {"epoch": 2, "step": 5, "steps": 40, "eta_s": 1.5}
    assert (told.json["train_loss"], told.json["validation_loss"]) == ([0.5, 0.25], [0.75, 0.5])
    assert told.json["best"] == {"epoch": 2, "validation_loss": 0.5}
    made = own.request("GET", f"{FINE_TUNES}/{job}/checkpoints")
    contract.check(openapi, JOB + "/checkpoints", "get", made)
    [checkpoint] = made.json["data"]
    assert (checkpoint["epoch"], checkpoint["file"], checkpoint["bytes"]) == (2, "checkpoint-2", 4096)


def test_a_failure_tells_its_cause(own):
    job = own.create(BODY).json["id"]
    own.drive("fail", *own.claim(), "storage_full", "The disk is full.")
    told = own.job(job)
    assert (told["status"], told["error"]) == ("failed", {"code": "storage_full", "message": "The disk is full."})
    assert told["finished_at"] > told["created_at"]


def test_what_is_cancelled_while_it_waits_is_gone_at_once_and_may_be_deleted(own, openapi):
    job = own.create(BODY).json["id"]
    answer = own.tell(job, "cancel")
    contract.check(openapi, JOB + "/cancel", "post", answer)
    assert answer.json["status"] == "cancelled"
    assert own.request("DELETE", f"{FINE_TUNES}/{job}").status == 204
    gone = own.request("GET", f"{FINE_TUNES}/{job}")
    contract.check_problem(openapi, JOB, "get", gone, 404, "not_found")


def test_what_is_cancelled_while_it_runs_is_cancelling(own, openapi):
    job = own.create(BODY).json["id"]
    claim = own.claim()
    assert own.tell(job, "cancel").json["status"] == "cancelling"
    early = own.request("DELETE", f"{FINE_TUNES}/{job}")
    contract.check_problem(openapi, JOB, "delete", early, 409, "wrong_state")
    own.drive("finish", *claim, "cancelled")
    assert own.job(job)["status"] == "cancelled"


def test_pause_and_resume(own, openapi):
    job = own.create(BODY).json["id"]
    contract.check_problem(openapi, JOB + "/pause", "post", own.tell(job, "pause"), 409, "wrong_state")
    claim = own.claim()
    assert own.tell(job, "pause").json["status"] == "running"
    own.drive("finish", *claim, "paused")
    assert own.job(job)["status"] == "paused"
    assert own.tell(job, "resume").json["status"] == "queued"


def test_a_final_state_never_changes(own, openapi):
    job = own.create(BODY).json["id"]
    claim = own.claim()
    own.drive("evaluating", *claim)
    own.drive("finish", *claim, "succeeded", "dlib-resnet", "2", "worse", "{}")
    for what in ("cancel", "pause", "resume"):
        contract.check_problem(openapi, f"{JOB}/{what}", "post", own.tell(job, what), 409, "wrong_state")
    assert own.create({**BODY, "resume_from": job}).json["resume_from"] == job


@pytest.mark.parametrize("what", ["cancel", "pause", "resume"])
def test_asking_needs_json_and_nothing_in_it(own, openapi, what):
    path = f"{JOB}/{what}"
    missing = own.tell(NOBODY, what)
    contract.check_problem(openapi, path, "post", missing, 404, "not_found")
    plain = own.request("POST", f"{FINE_TUNES}/{NOBODY}/{what}")
    contract.check_problem(openapi, path, "post", plain, 415, "unsupported_media_type")
    more = own.request("POST", f"{FINE_TUNES}/{NOBODY}/{what}", b'{"now": true}', Content_Type="application/json")
    contract.check_problem(openapi, path, "post", more, 400, "unknown_field")
    malformed = own.request("POST", f"{FINE_TUNES}/ft_1/{what}", b"{}", Content_Type="application/json")
    contract.check_problem(openapi, path, "post", malformed, 400, "invalid_name")


# ---- the data set of a job ----

def test_a_data_set_is_kept_while_a_job_uses_it_and_its_caches_go_with_it(own, openapi):
    job = own.create(BODY).json["id"]
    path = "/admin/v1/datasets/{dataset}"
    contract.check_problem(openapi, path, "delete", own.request("DELETE", "/admin/v1/datasets/cameras"), 409, "in_use")
    person = own.request("DELETE", "/admin/v1/datasets/cameras/people/Ada")
    contract.check_problem(openapi, path + "/people/{person}", "delete", person, 409, "in_use")
    claim = own.claim()
    cache = own.data / "jobs" / job / "CHECKPOINT"
    cache.mkdir(parents=True)
    (cache / "rows").write_bytes(bytes(5000))
    own.drive("evaluating", *claim)
    own.drive("finish", *claim, "succeeded", "dlib-resnet", "2", "worse", "{}")
    told = own.dataset("cameras")
    assert told["versions"] == [{"model": "dlib-resnet", "version": "2", "job": job}]
    assert told["caches"] == [{"job": job, "bytes": 5000}]
    assert own.request("DELETE", "/admin/v1/datasets/cameras").status == 204
    assert not (own.data / "jobs" / job).exists() and not (own.data / "datasets" / "cameras").exists()
    assert own.job(job)["status"] == "succeeded"


# ---- promotion ----

def succeed(admin, verdict="better", version="2", **members):
    job = admin.create({**BODY, "promote": "if_better", **members}).json["id"]
    claim = admin.claim()
    admin.drive("evaluating", *claim)
    admin.drive("finish", *claim, "succeeded", "dlib-resnet", version, verdict, '{"protocol": "made up"}')
    return job


def active(admin):
    return admin.service.get("/v1/models/dlib-resnet").json["version"]


def test_a_better_version_goes_live(own, openapi):
    add_version(own.data)
    job = succeed(own)
    eventually(lambda: own.job(job)["promotion"]["status"] == "carried")
    eventually(lambda: active(own) == "2")
    assert (own.data / "models" / "dlib-resnet" / "active").read_text() == "2\n"
    assert own.job(job)["result"] == {"model": "dlib-resnet", "version": "2", "better": True,
                                      "evaluation": {"protocol": "made up"}}
    events = own.request("GET", f"{FINE_TUNES}/{job}/events").json["data"]
    assert events[-1]["event"] == "state" and events[-1]["data"]["promotion"]["status"] == "carried"
    back = own.request("PUT", "/admin/v1/models/dlib-resnet/active", b'{"version": "1"}', Content_Type="application/json")
    assert back.status == 200 and active(own) == "1"


def test_a_worse_version_does_not_and_the_event_says_why(own):
    add_version(own.data)
    job = succeed(own, "worse")
    eventually(lambda: own.job(job)["promotion"]["status"] == "refused")
    assert "not measurably better" in own.job(job)["promotion"]["reason"] and active(own) == "1"
    events = own.request("GET", f"{FINE_TUNES}/{job}/events").json["data"]
    assert "not measurably better" in events[-1]["data"]["promotion"]["reason"]


def test_a_version_that_cannot_be_loaded_is_refused_and_the_old_one_goes_on(own):
    add_version(own.data)
    (own.data / "models" / "dlib-resnet" / "2" / "weights.safetensors").write_bytes(b"others")
    job = succeed(own)
    eventually(lambda: own.job(job)["promotion"]["status"] == "refused")
    reason = own.job(job)["promotion"]["reason"]
    assert reason and str(own.data) not in reason and active(own) == "1"


def test_a_version_that_was_compared_with_another_than_the_active_one_is_refused(own):
    add_version(own.data)
    add_version(own.data, version="3")
    job = own.create({**BODY, "promote": "if_better"}).json["id"]
    claim = own.claim()
    own.request("PUT", "/admin/v1/models/dlib-resnet/active", b'{"version": "3"}', Content_Type="application/json")
    own.drive("evaluating", *claim)
    own.drive("finish", *claim, "succeeded", "dlib-resnet", "2", "better", "{}")
    eventually(lambda: own.job(job)["promotion"]["status"] == "refused")
    assert "version 3 is the active one" in own.job(job)["promotion"]["reason"] and active(own) == "3"


def test_a_wish_is_carried_out_once_also_across_a_kill(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", data=data), data)
    admin.ready("cameras")
    add_version(data)
    admin.service.process.kill()
    admin.service.process.wait()
    admin = Admin(start_stub("--no-trainer", data=data), data)
    job = succeed(admin)
    eventually(lambda: admin.job(job)["promotion"]["status"] == "carried")
    back = admin.request("PUT", "/admin/v1/models/dlib-resnet/active", b'{"version": "1"}', Content_Type="application/json")
    assert back.status == 200
    admin.service.process.kill()
    admin.service.process.wait()
    admin = Admin(start_stub("--no-trainer", data=data), data)
    time.sleep(2)  # it has looked a few times
    assert active(admin) == "1" and admin.job(job)["promotion"]["status"] == "carried"


def test_who_was_killed_between_the_promotion_and_the_note_notes_it_later(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", data=data), data)
    admin.ready("cameras")
    add_version(data)
    job = admin.create({**BODY, "promote": "if_better"}).json["id"]
    claim = admin.claim()
    assert admin.service.stop() == 0
    (data / "models" / "dlib-resnet" / "active").write_text("2\n")
    admin.drive("evaluating", *claim)
    admin.drive("finish", *claim, "succeeded", "dlib-resnet", "2", "better", "{}")
    admin = Admin(start_stub("--no-trainer", data=data), data)
    eventually(lambda: admin.job(job)["promotion"]["status"] == "carried")
    assert active(admin) == "2"


# ---- metrics ----

def test_jobs_are_counted(own):
    def metric(line):
        text = own.request("GET", "/metrics").body.decode()
        return [float(row.rsplit(" ", 1)[1]) for row in text.splitlines() if row.startswith(line + " ")]

    own.create(BODY)
    own.tell(own.create(BODY).json["id"], "cancel")
    eventually(lambda: metric('facepair_jobs{kind="fine_tune",status="queued"}') == [1])
    finished = 'facepair_jobs_finished_total{kind="fine_tune",status="cancelled"}'
    eventually(lambda: metric(finished) == [1])
    [cancelled] = own.request("GET", FINE_TUNES + "?status=cancelled").json["data"]
    own.request("DELETE", f"{FINE_TUNES}/{cancelled['id']}")
    eventually(lambda: metric('facepair_jobs{kind="fine_tune",status="cancelled"}') == [0])
    assert metric(finished) == [1]


# ---- from an upload to a version, with the stub's own trainer ----

# A sanitizer's shadow is more than any sensible limit of the trainer's memory.
WITH_TRAINER = "--trainer-memory-max=1000000000000000"


def test_from_an_upload_to_a_promoted_version(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub(WITH_TRAINER, data=data), data)
    assert admin.upload("cameras", archive(people(small_photograph(), Ada=2, Bo=2))).status == 201
    eventually(lambda: admin.dataset("cameras")["status"] != "validating")
    assert admin.dataset("cameras")["status"] == "ready", admin.dataset("cameras")
    job = admin.create({**BODY, "hyperparameters": {"epochs": 2, "batch_size": 2}, "promote": "if_better"}).json["id"]
    eventually(lambda: admin.job(job)["status"] in ("succeeded", "failed"))
    told = admin.job(job)
    assert told["status"] == "succeeded", told["error"]
    assert told["result"]["model"] == "dlib-resnet" and len(told["train_loss"]) == 2
    eventually(lambda: admin.job(job)["promotion"]["status"] != "wished")
    outcome = admin.job(job)["promotion"]["status"]
    assert outcome == ("carried" if told["result"]["better"] else "refused")


@pytest.mark.parametrize("members, code", [
    (lambda: [("Ada/Ada_0001.jpg", b"no photograph"), ("Ada/Ada_0002.jpg", b"none"), ("Bo/Bo_0001.jpg", b"none")],
     "undecodable_images"),
    (lambda: people(small_photograph(), Ada=3), "one_person"),
    (lambda: people(small_photograph(), Ada=1, Bo=1), "no_pairs"),
    (lambda: people(small_photograph(), Ada=2, Bo=1) + [("pairs.txt", b"1\nAda\t1\t2\nAda\t1\tCy\t1\n")], "invalid_list")])
def test_a_data_set_that_teaches_nothing_is_rejected_with_the_cause(start_stub, tmp_path, members, code):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub(WITH_TRAINER, data=data), data)
    assert admin.upload("cameras", archive(members())).status == 201
    eventually(lambda: admin.dataset("cameras")["status"] != "validating")
    told = admin.dataset("cameras")
    assert (told["status"], told["error"]["code"]) == ("rejected", code)
    assert str(data) not in told["error"]["message"]
