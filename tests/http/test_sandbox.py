"""What the running service has given up. (What that means for a process is in tests/unit/test_sandbox.c.)"""
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import tempfile

import pytest
from service import SANITIZED, STUB, Service, write_stub_data

PAIR = [("image1", b"first"), ("image2", b"second")]
NOBODY = "nobody"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def whole(service):
    sandbox = service.event("sandbox")
    if not sandbox["landlock_abi"] or not sandbox["calls"]:
        service.stop()
        pytest.skip("this kernel, or this build, does not have all of it")


@pytest.fixture
def place():
    """A folder that other users reach."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="facepair-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_nothing_is_gained_by_executing_and_calls_are_filtered(start_stub):
    service = start_stub()
    whole(service)
    status = status_of(service.process.pid)
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    for thread in os.listdir(f"/proc/{service.process.pid}/task"):
        assert status_of(f"{service.process.pid}/task/{thread}")["Seccomp"] == ["2"]


def test_its_threads_can_be_told_apart(start_stub):
    service = start_stub("--prepare-threads=2")
    whole(service)
    threads = pathlib.Path(f"/proc/{service.process.pid}/task").glob("*/comm")
    names = {thread.read_text().strip() for thread in threads}
    assert names >= {"prepare-0", "prepare-1", "device", "disk-0", "lockout"}


def test_the_trainer_is_confined_too_and_the_first_to_go_when_memory_ends(start_stub, place):
    service = start_stub(data=write_stub_data(place / "data", dlib_resnet={}))
    whole(service)
    trainer = service.event("trainer_started")["pid"]
    assert status_of(trainer)["Seccomp"] == ["2"]
    assert pathlib.Path(f"/proc/{trainer}/oom_score_adj").read_text() == "1000\n"
    own = pathlib.Path("/proc/self/oom_score_adj").read_text()
    assert pathlib.Path(f"/proc/{service.process.pid}/oom_score_adj").read_text() == own
    assert service.stop() == 0  # before its folder goes


def promote(service, version):
    return service.request("PUT", "/admin/v1/models/dlib-resnet/active", json.dumps({"version": version}),
                           {"Content-Type": "application/json"}, service.admin_port)


@pytest.mark.parametrize("options, status", [((), 409), (("--no-sandbox",), 200)])
def test_a_file_outside_the_data_directory_is_out_of_reach(place, options, status):
    """Weights that are a link to elsewhere, as whoever can write models but not read secrets would make one."""
    data = write_stub_data(place / "data", dlib_resnet={})
    first, second = data / "models/dlib-resnet/1", data / "models/dlib-resnet/2"
    shutil.copytree(first, second)
    card = json.loads((second / "model.json").read_text()) | {"version": "2"}
    (second / "model.json").write_text(json.dumps(card))
    shutil.move(second / "weights.safetensors", place / "elsewhere")
    (second / "weights.safetensors").symlink_to(place / "elsewhere")
    service = Service(STUB, data, "--no-trainer", *options)
    if not options:
        whole(service)
    assert promote(service, "2").status == status
    assert service.stop() == 0


def test_folders_of_data_may_lie_on_another_disk(place):
    data = write_stub_data(place / "data", dlib_resnet={})
    shutil.move(data / "models", place / "models")
    (data / "models").symlink_to(place / "models")
    service = Service(STUB, data, "--no-trainer")
    assert service.verify(PAIR).status == 200
    assert service.stop() == 0


def test_files_of_keys_are_read_anew_after_they_were_replaced(place, stub_data):
    keys, replaced = place / "keys.json", place / "new"
    keys.write_text('{"keys": []}')
    service = Service(STUB, stub_data, "--keys-file", keys, "--no-trainer")
    replaced.write_text('{"keys": []}')
    replaced.rename(keys)
    service.signal(signal.SIGHUP)
    service.event("keys_reloaded")
    assert service.stop() == 0


def test_the_record_is_written_where_it_is_asked_for(place, stub_data):
    service = Service(STUB, stub_data, "--audit", place / "audit.jsonl", "--audit-bytes=1024", "--no-trainer")
    for _ in range(20):
        assert service.verify(PAIR).status == 200
    assert service.stop() == 0
    assert len(list(place.glob("audit.jsonl*"))) > 1


def test_without_a_sandbox_the_log_says_so(start_stub):
    sandbox = start_stub("--no-sandbox").event("sandbox")
    assert (sandbox["landlock_abi"], sandbox["calls"], sandbox["meaning"]) == (0, False, "--no-sandbox")


# ---- another user ----

@pytest.fixture
def others_data(place):
    """A data directory, and a program, of nobody's."""
    data, entry = write_stub_data(place / "data", dlib_resnet={}), pwd.getpwnam(NOBODY)
    for path in [data, *data.rglob("*")]:
        os.chown(path, entry.pw_uid, entry.pw_gid)
    shutil.copy(STUB, place / "facepair")
    return data


def privileged_port():
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return None


@as_root
def test_root_is_given_up_once_the_ports_are_bound(place, others_data):
    port = privileged_port()
    service = Service(place / "facepair", others_data, "--user", NOBODY, "--listen", f"127.0.0.1:{port}")
    entry, status = pwd.getpwnam(NOBODY), status_of(service.process.pid)
    assert status["Uid"] == [str(entry.pw_uid)] * 4 and status["Gid"] == [str(entry.pw_gid)] * 4
    assert "0" not in status["Groups"]
    assert status["CapEff"] == status["CapPrm"] == ["0" * 16]
    assert service.port == port and service.verify(PAIR).status == 200
    trainer = service.event("trainer_started")["pid"]
    assert status_of(trainer)["Uid"] == [str(entry.pw_uid)] * 4
    assert service.stop() == 0
    assert (others_data / "store.sqlite").stat().st_uid == entry.pw_uid


@as_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer's process may always be dumped")
def test_who_was_root_leaves_no_core_unless_asked(place, others_data):
    for options, owner in [((), 0), (("--core-dumps",), pwd.getpwnam(NOBODY).pw_uid)]:
        service = Service(place / "facepair", others_data, "--user", NOBODY, "--log-level", "debug", *options)
        service.event("trainer_told")  # it has begun
        for pid in (service.process.pid, service.event("trainer_started")["pid"]):
            assert os.stat(f"/proc/{pid}/environ").st_uid == owner  # root's, where it may not be dumped
        assert service.stop() == 0


@as_root
def test_root_without_another_user_is_warned(start_stub):
    assert start_stub().event("runs_as_root")["level"] == "warn"


@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_who_cannot_be_become(user, stub_data):
    with pytest.raises(AssertionError, match=user):
        Service(STUB, stub_data, "--user", user)
