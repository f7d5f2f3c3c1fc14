"""What a job leaves is on disk before anybody is told: the system calls of the trainer and of who asks, by strace."""
import re
import shutil
import subprocess

import pytest

from jobs import Jobs
from service import BUILD, STUB, write_stub_data

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
CALLS = "openat,rename,renameat,renameat2,fsync,fdatasync,write,pwrite64"


@pytest.fixture
def jobs(tmp_path):
    return Jobs(write_stub_data(tmp_path, dlib_resnet={}))


def traced(tmp_path, *command):
    """The calls of a program in their order: (thread, name, arguments with the paths of descriptors)."""
    log = tmp_path / "calls"
    done = subprocess.run(["strace", "-f", "-y", "-s", "200", "-o", log, "-e", f"trace={CALLS}", *command],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = []
    begun = {}
    for line in log.read_text().splitlines():
        thread, call = line.split(None, 1)
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            call = begun.pop(thread) + resumed[1]  # it counts when it returns
        if match := re.match(r"(\w+)\((.*)\) = (-?\d+)", call):
            lines.append((match[1], match[2], int(match[3])))
    return lines


def index(calls, name, pattern, begin=0):
    for i in range(begin, len(calls)):
        if calls[i][0] in name and re.search(pattern, calls[i][1]):
            return i
    raise AssertionError(f"no {name} of {pattern} after call {begin}")


SYNCS = ("fsync", "fdatasync")


def test_a_new_job_is_on_disk_before_it_is_answered(jobs, tmp_path):
    jobs.create()  # so that the file is there
    spec = '{"base_model": "dlib-resnet", "dataset": "people"}'
    calls = traced(tmp_path, BUILD / "tests/store_tool", jobs.data, "create", "dlib-resnet", "1", spec)
    answered = index(calls, ("write",), r"^1<.*ft_")
    before = [(name, text) for name, text, _ in calls[:answered] if "store.sqlite-wal>" in text]
    assert ("pwrite64" in [name for name, _ in before]) and before[-1][0] in SYNCS


def test_a_new_store_is_in_its_directory_before_it_is_used(tmp_path, jobs):
    spec = '{"base_model": "dlib-resnet", "dataset": "people"}'
    calls = traced(tmp_path, BUILD / "tests/store_tool", jobs.data, "create", "dlib-resnet", "1", spec)
    created = index(calls, ("openat",), r"store\.sqlite\", O_RDWR\|O_CREAT\|O_EXCL")
    flushed = index(calls, ("fsync",), rf"<{re.escape(str(jobs.data))}>")
    assert created < flushed < index(calls, ("write",), r"^1<.*ft_")


def test_a_checkpoint_is_flushed_then_renamed_then_its_folder_flushed_then_told(jobs, tmp_path):
    job = jobs.create(epochs=1)
    calls = traced(tmp_path, STUB, "trainer", "--data", jobs.data, "--idle-ms", "20", "--jobs", "1")
    assert jobs.get(job)["state"] == "succeeded"
    renamed = index(calls, ("rename", "renameat", "renameat2"), rf"jobs/{job}/checkpoint\.\w+\".*jobs/{job}/checkpoint\"")
    file_flushed = index(calls, SYNCS, rf"jobs/{job}/checkpoint\.\w+>")
    folder_flushed = index(calls, SYNCS, rf"jobs/{job}>", renamed)
    told_to_store = index(calls, SYNCS, r"store\.sqlite-wal>", folder_flushed)
    told = index(calls, ("write",), r"^1<.*checkpoint")
    assert file_flushed < renamed < folder_flushed < told_to_store < told


def test_a_version_is_on_disk_before_the_job_has_succeeded(jobs, tmp_path):
    job = jobs.create(epochs=1)
    calls = traced(tmp_path, STUB, "trainer", "--data", jobs.data, "--idle-ms", "20", "--jobs", "1")
    assert jobs.get(job)["result_version"] == "2"
    renamed = index(calls, ("rename", "renameat", "renameat2"), r"models/dlib-resnet/2\"")
    card = index(calls, SYNCS, r"models/dlib-resnet/\.new-\w+/model\.json\.?\w*>")
    folder = index(calls, SYNCS, r"models/dlib-resnet>", renamed)
    succeeded = index(calls, ("write",), r"^1<.*succeeded")
    assert card < renamed < folder < index(calls, SYNCS, r"store\.sqlite-wal>", folder) < succeeded
