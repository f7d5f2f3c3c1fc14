"""`facepair trainer` and who watches over it, with a fine-tuning that computes nothing (tests/stub_finetune.c)."""
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import time

import pytest

from jobs import Jobs, Trainer, command_line, is_alive, trainer_of
from service import SANITIZED, STUB, Service, wait_until, write_stub_data

SHORT_LEASE = ("--lease-ms", "2000")  # a busy machine may lose one that is held, too: attempts are "at least"


@pytest.fixture
def jobs(tmp_path):
    return Jobs(write_stub_data(tmp_path, dlib_resnet={}))


@pytest.fixture
def start(jobs):
    """Trainers that end with the test."""
    trainers = []

    def started(*options, **more):
        trainers.append(Trainer(jobs.data, *options, **more))
        return trainers[-1]
    yield started
    for trainer in trainers:
        if trainer.process.poll() is None:
            trainer.send(signal.SIGCONT)
            trainer.stop(signal.SIGKILL)


@pytest.fixture
def serve(jobs):
    services = []

    def started(*options):
        services.append(Service(STUB, jobs.data, *options))
        return services[-1]
    yield started
    for service in services:
        service.stop()


# ---- one job ----

def test_a_job_runs_to_its_end_and_tells_on_the_way(jobs, start):
    job = jobs.create(epochs=3)
    trainer = start()
    row = jobs.wait(job)
    trainer.stop()
    assert (row["state"], row["attempt"]) == ("succeeded", 1)
    assert (row["result_model"], row["result_version"]) == ("dlib-resnet", "2")
    assert row["result_evaluation"] == '{"candidates": 1}'
    assert (jobs.data / "models/dlib-resnet/2/model.json").exists()
    assert len(jobs.losses(job)) == 3
    jobs.check_history(job)
    kinds = [line["event"] for line in trainer.told if line.get("job") == job]
    assert {"state", "progress", "metrics", "checkpoint"} == set(kinds)
    states = [line["status"] for line in trainer.told if line["event"] == "state"]
    assert states == ["running", "evaluating", "succeeded"]


def test_a_job_that_fails_says_why_and_tells_no_path(jobs, start):
    job = jobs.create(epochs=666)
    start()
    row = jobs.wait(job)
    assert (row["state"], row["error_code"]) == ("failed", "internal")
    assert str(jobs.data) not in row["error_message"]
    assert jobs.check_history(job)


def test_a_job_past_its_deadline_fails(jobs, start):
    job = jobs.create(epochs=1000, step_ms=20, deadline_s=1)
    start()
    row = jobs.wait(job)
    assert (row["state"], row["error_code"]) == ("failed", "deadline_exceeded")


@pytest.mark.skipif(SANITIZED, reason="a sanitizer has reserved more than any limit")
def test_a_job_beyond_its_memory_fails_and_the_next_one_runs(jobs, start):
    greedy = jobs.create(epochs=5, hyperparameters={"learning_rate": 0.25})
    modest = jobs.create()
    start("--trainer-memory-max", str(500 << 20))
    assert jobs.wait(greedy)["error_message"] == "out of memory"
    assert jobs.wait(modest)["state"] == "succeeded"


def test_jobs_run_in_the_order_in_which_they_came(jobs, start):
    order = [jobs.create() for _ in range(4)]
    start()
    for job in order:
        jobs.wait(job)
    rows = jobs.rows("SELECT id FROM jobs ORDER BY finished_ms, sequence")
    assert [row["id"] for row in rows] == order


def test_a_signal_wakes_it_before_its_time(jobs, start):
    trainer = start("--idle-ms", "60000")
    wait_until(lambda: trainer.told)  # before it has begun the signal would end it
    job = jobs.create()
    trainer.send(signal.SIGUSR1)
    jobs.wait(job, patience=30)


# ---- pause, cancel, end ----

def test_a_paused_job_goes_on_where_it_was(jobs, start):
    whole, job = jobs.create(epochs=8, step_ms=5), jobs.create(epochs=8, step_ms=5)
    start()
    jobs.wait(whole)
    wait_until(lambda: len(jobs.losses(job)) >= 2)
    assert jobs.ask("pause", job) == ""
    paused = jobs.wait(job, "paused")
    assert paused["epoch"] < 8
    time.sleep(0.3)
    assert jobs.get(job)["state"] == "paused"
    jobs.ask("resume", job)
    assert jobs.wait(job)["attempt"] == 1
    assert jobs.losses(job) == jobs.losses(whole)
    jobs.check_history(job)


def test_a_cancelled_job_ends_and_leaves_the_trainer_to_the_next(jobs, start):
    job, following = jobs.create(epochs=1000, step_ms=10), jobs.create()
    start()
    jobs.wait(job, "running")
    jobs.ask("cancel", job)
    assert jobs.wait(job)["state"] == "cancelled"
    assert jobs.wait(following)["state"] == "succeeded"
    jobs.check_history(job)


def test_sigterm_gives_the_job_back_without_spending_an_attempt(jobs, start):
    job = jobs.create(epochs=30, step_ms=5)
    trainer = start()
    wait_until(lambda: len(jobs.losses(job)) >= 1)
    assert trainer.stop() == 0
    assert (jobs.get(job)["state"], jobs.get(job)["attempt"]) == ("queued", 1)
    start()
    assert jobs.wait(job)["attempt"] == 1
    jobs.check_history(job)


def test_a_job_that_does_not_listen_is_left_all_the_same(jobs, start):
    job = jobs.create(epochs=10, hyperparameters={"learning_rate": 0.5})  # a step takes three seconds
    trainer = start()
    jobs.wait(job, "running")
    time.sleep(0.3)
    assert trainer.stop() == 0
    assert jobs.get(job)["state"] == "queued"


# ---- leases ----

def test_a_trainer_that_is_killed_loses_its_job_to_another_which_goes_on(jobs, start):
    whole, job = jobs.create(epochs=12, step_ms=4), jobs.create(epochs=12, step_ms=4)
    first = start(*SHORT_LEASE)
    jobs.wait(whole)
    wait_until(lambda: len(jobs.losses(job)) >= 2)
    first.stop(signal.SIGKILL)
    start(*SHORT_LEASE)
    row = jobs.wait(job)
    assert row["state"] == "succeeded" and row["attempt"] >= 2
    assert jobs.losses(job) == jobs.losses(whole)
    jobs.check_history(job)


def test_a_trainer_that_slept_past_its_lease_finds_out_and_writes_nothing(jobs, start):
    job = jobs.create(epochs=12, step_ms=10)
    sleeper = start(*SHORT_LEASE)
    wait_until(lambda: len(jobs.losses(job)) >= 1)
    stop_outside_the_store(jobs, sleeper.process.pid)
    written = len(jobs.losses(job))
    start()  # of a lease that no busy machine loses: nobody has a third attempt
    wait_until(lambda: jobs.get(job)["attempt"] >= 2)
    sleeper.send(signal.SIGCONT)
    assert jobs.wait(job)["state"] == "succeeded"
    assert jobs.check_history(job)["attempt"] == 2
    # What it had written before it slept it may tell behind that.
    assert len([line for line in sleeper.told if line["event"] == "metrics"]) <= written
    assert len(list((jobs.data / "models/dlib-resnet").glob("[0-9]*"))) == 2


def test_the_third_lost_attempt_fails_the_job(jobs, start):
    job = jobs.create(epochs=1000, step_ms=10)
    for attempt in (1, 2, 3):
        trainer = start(*SHORT_LEASE)
        wait_until(lambda: (jobs.get(job)["state"], jobs.get(job)["attempt"]) == ("running", attempt))
        trainer.stop(signal.SIGKILL)
    start(*SHORT_LEASE)
    row = jobs.wait(job)
    assert (row["state"], row["error_code"]) == ("failed", "attempts_exhausted")
    jobs.check_history(job)


# ---- behind the others ----

def test_the_trainer_steps_back_behind_other_processes(jobs, start):
    trainer = start("--trainer-memory-max", str(1 << 30))
    job = jobs.create()
    jobs.wait(job)
    pid = trainer.process.pid
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
    assert subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True).stdout.strip() == "idle"
    assert pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    assert SANITIZED or re.search(r"Max data size +(\d+)", limits)[1] == str(1 << 30)


def test_a_trainer_gains_nothing_by_executing(start):
    trainer = start()
    wait_until(lambda: trainer.told)
    assert "NoNewPrivs:\t1\n" in pathlib.Path(f"/proc/{trainer.process.pid}/status").read_text()


def test_a_trainer_whose_parent_is_gone_does_not_begin(jobs, start):
    trainer = start("--parent", "1")
    assert trainer.wait() == 1
    assert "gone" in "".join(map(str, trainer.log))


@pytest.mark.parametrize("arguments", [("--lease-ms", "5"), ("--jobs", "x"), ("file",)])
def test_wrong_usage_is_told(jobs, arguments):
    done = subprocess.run([STUB, "trainer", "--data", jobs.data, *arguments], capture_output=True, check=False)
    assert done.returncode == 2


# ---- beside the service ----

def store_lock_is_free(data):
    store = sqlite3.connect(data / "store.sqlite", timeout=0.2, isolation_level=None)
    try:
        store.execute("BEGIN IMMEDIATE")
        store.execute("ROLLBACK")
        return True
    except sqlite3.OperationalError:
        return False
    finally:
        store.close()


def stop_outside_the_store(jobs, pid):
    """SIGSTOP while it is not in the middle of a transaction."""
    os.kill(pid, signal.SIGSTOP)
    while not store_lock_is_free(jobs.data):
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.005)
        os.kill(pid, signal.SIGSTOP)


def test_a_trainer_that_sleeps_with_the_stores_lock_is_replaced(jobs, serve):
    service = serve()
    job = jobs.create(epochs=400, step_ms=2)
    jobs.wait(job, "running")
    pid = trainer_of(service)
    os.kill(pid, signal.SIGSTOP)
    while store_lock_is_free(jobs.data):
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.0007)
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: not is_alive(pid))
    assert service.event("trainer_killed")["pid"] == pid
    wait_until(lambda: jobs.get(job)["attempt"] == 2)


def test_serve_runs_jobs_in_another_process_which_ends_with_each(jobs, serve):
    service = serve()
    first = trainer_of(service)
    job = jobs.create(epochs=30, step_ms=5)
    assert jobs.wait(job)["state"] == "succeeded"
    wait_until(lambda: not is_alive(first))
    assert wait_until(lambda: trainer_of(service) != first)
    assert jobs.wait(jobs.create())["state"] == "succeeded"


def test_a_cancelled_jobs_process_goes_with_it(jobs, serve):
    service = serve()
    job = jobs.create(epochs=10, hyperparameters={"learning_rate": 0.5})  # it listens every three seconds
    jobs.wait(job, "running")
    pid = trainer_of(service)
    time.sleep(0.2)
    jobs.ask("cancel", job)
    assert jobs.get(job)["state"] == "cancelling"
    wait_until(lambda: not is_alive(pid))
    assert jobs.wait(job)["state"] == "cancelled"
    jobs.check_history(job)


def test_a_trainer_that_sleeps_while_its_job_is_cancelled_is_killed(jobs, serve):
    service = serve()
    job = jobs.create(epochs=1000, step_ms=10)
    jobs.wait(job, "running")
    pid = trainer_of(service)
    stop_outside_the_store(jobs, pid)
    assert jobs.ask("cancel", job) == ""
    wait_until(lambda: not is_alive(pid))
    assert jobs.wait(job)["state"] == "cancelled"
    assert service.event("trainer_killed")["pid"] == pid


def test_a_trainer_that_has_lost_its_lease_is_replaced(jobs, serve):
    service = serve(*SHORT_LEASE)
    job = jobs.create(epochs=30, step_ms=5)
    jobs.wait(job, "running")
    pid = trainer_of(service)
    stop_outside_the_store(jobs, pid)
    row = jobs.wait(job)
    assert row["state"] == "succeeded" and row["attempt"] >= 2
    assert service.event("trainer_killed")["pid"] == pid
    jobs.check_history(job)


def test_what_a_killed_trainer_held_is_run_again_at_once(jobs, serve):
    service = serve()  # its lease of half a minute is not waited for
    job = jobs.create(epochs=30, step_ms=5)
    jobs.wait(job, "running")
    os.kill(trainer_of(service), signal.SIGKILL)
    row = jobs.wait(job, patience=20)
    assert (row["state"], row["attempt"]) == ("succeeded", 2)


def test_a_trainer_that_fails_is_started_later_and_later(jobs, serve):
    service = serve()
    waits = []
    for _ in range(2):
        os.kill(trainer_of(service), signal.SIGKILL)
        count = len(waits) + 1
        ended = wait_until(lambda: [line for line in service.log if '"trainer_ended"' in line][count - 1:])
        waits.append(int(re.search(r'"restart_ms":(\d+)', ended[0])[1]))
    assert waits == [1000, 2000]


def test_the_trainer_ends_with_its_service_however_that_ends(jobs, serve):
    service = serve()
    pid = trainer_of(service)
    service.signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


def test_a_draining_service_takes_the_trainer_with_it_and_the_job_waits(jobs, serve):
    service = serve()
    job = jobs.create(epochs=1000, step_ms=10)
    jobs.wait(job, "running")
    pid = trainer_of(service)
    assert service.stop() == 0
    assert not is_alive(pid)
    assert (jobs.get(job)["state"], jobs.get(job)["attempt"]) == ("queued", 1)


def test_a_draining_service_does_not_wait_for_a_trainer_that_sleeps(jobs, serve):
    service = serve()
    pid = trainer_of(service)
    os.kill(pid, signal.SIGSTOP)
    assert service.stop() == 0
    assert not is_alive(pid)


# ---- roles ----

def test_role_serve_has_neither_store_nor_admin_listener_nor_trainer(jobs, serve):
    service = serve("--role", "serve", "--lockout", "off", "--metrics-listen", "127.0.0.1:0")
    assert service.admin_port is None
    assert service.get("/v1/models").status == 200
    assert not (jobs.data / "store.sqlite").exists()
    assert not any("trainer_started" in line for line in service.log)


def test_role_control_has_them_all(jobs, serve):
    service = serve("--role", "control")
    assert service.admin_port
    trainer_of(service)


def test_the_trainer_is_told_what_the_service_was_and_computes_on_processors(jobs, serve):
    hashes = [f"{number:064x}" for number in range(32)]
    service = serve("--log-level", "debug", *(f"--allow-torchscript={each}" for each in hashes))
    words = command_line(trainer_of(service))
    told = list(zip(words, words[1:]))
    assert ("--device", "cpu") in told and ("--log-level", "debug") in told
    assert [value for name, value in told if name == "--allow-torchscript"] == hashes


def test_no_trainer_leaves_the_jobs_to_another_process(jobs, serve, start):
    service = serve("--no-trainer")
    job = jobs.create()
    time.sleep(0.5)
    assert jobs.get(job)["state"] == "queued"
    assert not any("trainer_started" in line for line in service.log)
    start()
    assert jobs.wait(job)["state"] == "succeeded"


def test_a_newer_store_stops_the_service_with_a_line(jobs, serve):
    jobs.create()
    store = sqlite3.connect(jobs.data / "store.sqlite")
    store.execute("PRAGMA user_version = 99")
    store.commit()
    store.close()
    done = subprocess.run([STUB, "serve", "--data", jobs.data, "--listen", "127.0.0.1:0", "--admin-listen", "off"],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "version 99" in done.stderr
