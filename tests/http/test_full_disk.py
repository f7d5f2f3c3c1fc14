"""A disk that is full while a job runs: the job fails with the cause, the service serves on, the store is whole."""
import contextlib
import errno
import os
import sqlite3
import subprocess

import pytest

from jobs import Jobs
from photographs import write_crowd
from service import DATA, PHOTOS, PROGRAM, STUB, Service, wait_until, write_stub_data
from versions import own_models

PAIR = [("image1", b"one"), ("image2", b"two")]


@contextlib.contextmanager
def mounted(folder, megabytes):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        pytest.skip(f"no right to mount a tmpfs: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


@pytest.fixture
def disk(tmp_path):
    """A data directory on a disk of four megabytes."""
    with mounted(tmp_path / "disk", 4) as folder:
        yield folder


@contextlib.contextmanager
def full(folder):
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for piece in (bytes(1 << 20), bytes(4096)):
            with contextlib.suppress(OSError):
                while file.write(piece) == len(piece):
                    pass
    try:
        yield
    finally:
        ballast.unlink()


def is_full(folder):
    try:
        (folder / "probe").write_bytes(bytes(8192))
    except OSError as failure:
        return failure.errno == errno.ENOSPC
    finally:
        (folder / "probe").unlink(missing_ok=True)
    return False


def integrity(data):
    store = sqlite3.connect(data / "store.sqlite")
    try:
        return store.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        store.close()


def test_a_job_that_finds_the_disk_full_fails_with_the_cause_and_the_service_serves_on(disk):
    jobs = Jobs(write_stub_data(disk, dlib_resnet={}))
    service = Service(STUB, disk)
    try:
        job = jobs.create(epochs=1000, step_ms=2)
        wait_until(lambda: len(jobs.losses(job)) >= 2)
        with full(disk):
            assert is_full(disk)
            row = jobs.wait(job, "failed")
            assert service.verify(PAIR).status == 200
        assert row["error_code"] == "storage_full"
        assert str(disk) not in row["error_message"]
        assert integrity(disk) == "ok"
        jobs.check_history(job)
        assert jobs.wait(jobs.create())["state"] == "succeeded"
    finally:
        assert service.stop() == 0


def test_a_job_that_finds_the_disk_full_when_it_publishes_fails_and_leaves_nothing_half(disk):
    jobs = Jobs(write_stub_data(disk, dlib_resnet={}))
    (disk / "models/dlib-resnet/1/weights.safetensors").write_bytes(os.urandom(1 << 20))  # room for one more, not for two
    job = jobs.create(epochs=1)
    (disk / "ballast").write_bytes(bytes((2 << 20) - (64 << 10)))
    trainer = subprocess.run([STUB, "trainer", "--data", disk, "--jobs", "1", "--idle-ms", "20"], capture_output=True, check=False,
                             timeout=60)
    assert trainer.returncode == 0
    row = jobs.get(job)
    assert (row["state"], row["error_code"]) == ("failed", "storage_full")
    assert sorted(path.name for path in (disk / "models/dlib-resnet").iterdir() if path.is_dir()) == ["1"]
    assert integrity(disk) == "ok"


# ---- with the real network and its recipe ----

PORTRAITS = [("image1", (PHOTOS / "obama.jpg").read_bytes()), ("image2", (PHOTOS / "obama2.jpg").read_bytes())]
FAST = {"augment": {"views": 1, "flip": False, "colour": 0, "rotation_degrees": 0, "scale": 0}}
TRAINING_S = 300  # at most, of a job on a crowd that stands back behind everything else


class Learning:
    """A service on the real network, whose data directory is a small disk; jobs learn the last block from a crowd."""

    def __init__(self, disk):
        self.disk = own_models(DATA, disk)
        write_crowd(disk / "datasets" / "people")
        self.jobs = Jobs(disk)
        # A lease that no machine is too slow for: it cannot be renewed while the disk is full.
        self.service = Service(PROGRAM, disk, "--trainer-threads", "1", "--lease-ms", "600000")

    def fail_when(self, job, is_there):
        """The disk is full from that moment on until the job has failed; what is told of it."""
        wait_until(lambda: is_there(job), TRAINING_S)
        with full(self.disk):
            assert is_full(self.disk)
            row = self.jobs.wait(job, patience=TRAINING_S)
            assert self.service.verify(PORTRAITS).status == 200
        return row

    def check_failure(self, job, row):
        assert (row["state"], row["error_code"]) == ("failed", "storage_full")
        assert str(self.disk) not in row["error_message"]
        assert integrity(self.disk) == "ok"
        self.jobs.check_history(job)
        assert sorted(path.name for path in (self.disk / "models/dlib-resnet").iterdir() if path.is_dir()) == ["1"]
        assert self.service.verify(PORTRAITS).json["verified"]


@pytest.fixture
def learning(tmp_path):
    with mounted(tmp_path / "disk", 256) as folder:
        bench = Learning(folder)
        yield bench
        assert bench.service.stop() == 0


def test_a_real_job_that_finds_the_disk_full_at_a_checkpoint_fails_with_the_cause(learning):
    job = learning.jobs.create(epochs=500, step_ms=16, hyperparameters=FAST)
    row = learning.fail_when(job, lambda job: learning.jobs.losses(job))
    learning.check_failure(job, row)


def test_a_real_job_that_finds_the_disk_full_when_it_publishes_fails_and_leaves_nothing_half(learning):
    job = learning.jobs.create(epochs=1, step_ms=16, hyperparameters=FAST)
    row = learning.fail_when(job, lambda job: learning.jobs.get(job)["state"] == "evaluating")
    learning.check_failure(job, row)
    again = learning.jobs.create(epochs=1, step_ms=16, resume_from=job, hyperparameters=FAST)
    assert learning.jobs.wait(again, patience=TRAINING_S)["state"] == "succeeded"
