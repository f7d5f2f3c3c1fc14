"""What is answered is on disk before anybody is told: the system calls of the service, of the trainer and of the store, by
strace."""
import json
import re
import shutil
import stat
import subprocess
import typing

import pytest

from data_sets import CALIBRATIONS, EVALUATIONS, FINE_TUNES, Admin
from jobs import Jobs
from service import BUILD, DATA, LEAKS_UNCHECKED, PROGRAM, STUB, TREE, Service, wait_until, write_stub_data
from versions import Version, own_models

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
SENDS = ("sendto", "sendmsg", "write", "writev")
RENAMES = ("rename", "renameat", "renameat2")
SYNCS = ("fsync", "fdatasync", "syncfs")
CALLS = ",".join((*SENDS, *RENAMES, *SYNCS, "openat", "pwrite64", "recvfrom"))
STRACE = ("strace", *LEAKS_UNCHECKED, "-f", "-y", "-s", "200", "-e", f"trace={CALLS}")


class Call(typing.NamedTuple):
    name: str
    text: str  # its arguments, with the paths of descriptors
    begun: int  # where in the log it was entered, and …
    ended: int  # … where it returned


def calls_of(log):
    """In the order in which they returned."""
    calls, begun = [], {}
    for number, line in enumerate(log.read_text(errors="replace").splitlines()):
        thread, call = line.split(None, 1)
        entered = number
        if call.endswith("<unfinished ...>"):
            begun[thread] = number, call.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            entered, call = begun.pop(thread)
            call += resumed[1]
        if match := re.match(r"(\w+)\((.*)\) += (-?\d+)", call):
            calls.append(Call(match[1], match[2], entered, number))
    return calls


@pytest.fixture
def jobs(tmp_path):
    return Jobs(write_stub_data(tmp_path, dlib_resnet={}))


def traced(tmp_path, *command):
    """The calls of a program."""
    log = tmp_path / "calls"
    done = subprocess.run([*STRACE, "-o", log, *command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return calls_of(log)


def index(calls, name, pattern, begin=0):
    for i in range(begin, len(calls)):
        if calls[i].name in name and re.search(pattern, calls[i].text):
            return i
    raise AssertionError(f"no {name} of {pattern} after call {begin}")


def test_a_new_job_is_on_disk_before_it_is_answered(jobs, tmp_path):
    jobs.create()  # so that the file is there
    spec = '{"base_model": "dlib-resnet", "dataset": "people"}'
    calls = traced(tmp_path, BUILD / "tests/store_tool", jobs.data, "create", "dlib-resnet", "1", spec)
    answered = index(calls, ("write",), r"^1<.*ft_")
    before = [call.name for call in calls[:answered] if "store.sqlite-wal>" in call.text]
    assert "pwrite64" in before and before[-1] in SYNCS


def test_a_new_store_is_in_its_directory_before_it_is_used(tmp_path, jobs):
    spec = '{"base_model": "dlib-resnet", "dataset": "people"}'
    calls = traced(tmp_path, BUILD / "tests/store_tool", jobs.data, "create", "dlib-resnet", "1", spec)
    created = index(calls, ("openat",), r"store\.sqlite\", O_RDWR\|O_CREAT\|O_EXCL")
    flushed = index(calls, ("fsync",), rf"<{re.escape(str(jobs.data))}>")
    assert created < flushed < index(calls, ("write",), r"^1<.*ft_")


class Traced:
    """The real service, whose calls are written down; a second version of its model, and a data set, are there."""

    def __init__(self, folder):
        self.log = folder / "calls"
        program = folder / "program"
        program.write_text(f'#!/bin/sh\nexec {" ".join(STRACE)} -D -o {self.log} {PROGRAM} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.data = own_models(DATA, folder / "data")
        Version(self.data, "dlib-resnet", "1").copy("2")
        self.service = Service(program, self.data, "--no-trainer")
        self.admin = Admin(self.service, self.data)
        self.admin.ready("cameras")

    def stop(self):
        assert self.service.stop() == 0
        wait_until(lambda: "+++ exited with 0 +++" in self.log.read_text(errors="replace").splitlines()[-1])
        return calls_of(self.log)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """All that the tests below ask of one service, and its calls."""
    traced_service = Traced(tmp_path_factory.mktemp("traced"))
    body = json.dumps({"base_model": "dlib-resnet", "dataset": "cameras"})
    active = "/admin/v1/models/dlib-resnet/active"
    answers = [traced_service.admin.create(body, path) for path in (FINE_TUNES, EVALUATIONS, CALIBRATIONS)]
    answers.append(traced_service.admin.request("PUT", active, json.dumps({"version": "2"}), Content_Type="application/json"))
    assert [answer.status for answer in answers] == [202, 202, 202, 200]
    return traced_service.data, traced_service.stop()


def asked_and_answered(calls, request, status):
    """The places of the call that received a request and of the one that began its answer."""
    asked = index(calls, ("recvfrom",), re.escape(request))
    return asked, index(calls, SENDS, rf"HTTP/1\.1 {status}", asked)


def last_before(calls, names, pattern, begin, end):
    """The last such call between two places."""
    found = [i for i in range(begin, end) if calls[i].name in names and re.search(pattern, calls[i].text)]
    assert found, f"no {names} of {pattern} between {begin} and {end}"
    return found[-1]


def check_store_is_flushed(calls, asked, answered):
    """What the request wrote into the store was flushed after its last byte, and that had returned before the answer began."""
    written = last_before(calls, ("pwrite64",), r"store\.sqlite-wal>", asked, answered)
    flushed = index(calls, SYNCS, r"store\.sqlite-wal>", written)
    assert written < flushed and calls[flushed].ended < calls[answered].begun


@pytest.mark.parametrize("path", [FINE_TUNES, EVALUATIONS, CALIBRATIONS])
def test_a_job_is_on_disk_before_the_202_is_sent(served, path):
    _, calls = served
    check_store_is_flushed(calls, *asked_and_answered(calls, f"POST {path} ", 202))


def test_a_data_set_and_its_folder_are_on_disk_before_the_201_is_sent(served):
    data, calls = served
    asked, answered = asked_and_answered(calls, "PUT /admin/v1/datasets/cameras ", 201)
    renamed = index(calls, RENAMES, rf"{re.escape(str(data))}/datasets/cameras\"", asked)
    photographs = last_before(calls, ("syncfs",), r"datasets/", asked, renamed)
    folder = index(calls, SYNCS, rf"<{re.escape(str(data))}/datasets>", renamed)
    assert index(calls, SYNCS, rf"<{re.escape(str(data))}>", asked) < renamed  # datasets/ is new
    assert photographs < renamed < folder and calls[folder].ended < calls[answered].begun
    check_store_is_flushed(calls, asked, answered)


def test_a_promotion_is_on_disk_before_it_is_answered(served):
    data, calls = served
    models = f"{re.escape(str(data))}/models/dlib-resnet"
    asked, answered = asked_and_answered(calls, "PUT /admin/v1/models/dlib-resnet/active ", 200)
    renamed = index(calls, RENAMES, rf"{models}/active\"", asked)
    file = last_before(calls, SYNCS, rf"<{models}/active\.\w+>", asked, renamed)
    folder = index(calls, SYNCS, rf"<{models}>", renamed)
    assert file < renamed < folder and calls[folder].ended < calls[answered].begun
    check_store_is_flushed(calls, asked, answered)


def test_a_checkpoint_is_flushed_then_renamed_then_its_folder_flushed_then_told(jobs, tmp_path):
    job = jobs.create(epochs=1)
    calls = traced(tmp_path, STUB, "trainer", "--data", jobs.data, "--idle-ms", "20", "--jobs", "1")
    assert jobs.get(job)["state"] == "succeeded"
    renamed = index(calls, RENAMES, rf"jobs/{job}/checkpoint\.\w+\".*jobs/{job}/checkpoint\"")
    file_flushed = index(calls, SYNCS, rf"jobs/{job}/checkpoint\.\w+>")
    folder_flushed = index(calls, SYNCS, rf"jobs/{job}>", renamed)
    told_to_store = index(calls, SYNCS, r"store\.sqlite-wal>", folder_flushed)
    told = index(calls, ("write",), r"^1<.*checkpoint")
    assert file_flushed < renamed < folder_flushed < told_to_store < told


def test_each_new_directory_above_a_version_is_on_disk(tmp_path):
    golden = TREE / "tests/parity/vit/notebook"
    data = tmp_path / "new" / "data"
    calls = traced(tmp_path, PROGRAM, "import", "vit", "--weights", golden / "weights.safetensors", "--config",
                   golden / "config.json", "--data", data)
    for new in (data / "models", data, data.parent):
        index(calls, SYNCS, rf"<{re.escape(str(new.parent))}>")


def test_a_version_is_on_disk_before_the_job_has_succeeded(jobs, tmp_path):
    job = jobs.create(epochs=1)
    calls = traced(tmp_path, STUB, "trainer", "--data", jobs.data, "--idle-ms", "20", "--jobs", "1")
    assert jobs.get(job)["result_version"] == "2"
    renamed = index(calls, RENAMES, r"models/dlib-resnet/2\"")
    card = index(calls, SYNCS, r"models/dlib-resnet/\.new-\w+/model\.json\.?\w*>")
    folder = index(calls, SYNCS, r"models/dlib-resnet>", renamed)
    succeeded = index(calls, ("write",), r"^1<.*succeeded")
    assert card < renamed < folder < index(calls, SYNCS, r"store\.sqlite-wal>", folder) < succeeded
