"""A disk that is full while a job runs: the job fails with the cause, the service serves on, the store is whole."""
import contextlib
import errno
import os
import sqlite3
import subprocess

import pytest

from jobs import Jobs, wait_until
from service import STUB, Service, write_stub_data

PAIR = [("image1", b"one"), ("image2", b"two")]


@pytest.fixture
def disk(tmp_path):
    """A data directory on a disk of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no right to mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


@contextlib.contextmanager
def full(folder):
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
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
