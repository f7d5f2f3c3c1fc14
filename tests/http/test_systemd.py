"""As a unit of systemd: what it is told of the service's life, and what the unit allows."""
import re
import shutil
import socket
import subprocess
import threading

import pytest
from service import PATIENCE_S, TREE

UNIT = TREE / "deploy" / "systemd" / "facepair.service"
EXPOSURE_MAX = 1.5  # systemd's own scale: 0 is nothing exposed, 10 everything


@pytest.fixture
def told(tmp_path):
    """The socket on which the service tells how it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(PATIENCE_S)
        listening.bind(str(tmp_path / "notify"))
        yield listening


def start(start_stub, told, *options, watchdog_us=None):
    environment = {"NOTIFY_SOCKET": told.getsockname()}
    if watchdog_us:
        environment["WATCHDOG_USEC"] = str(watchdog_us)
    return start_stub(*options, **environment)


def test_ready_and_stopping_are_told(start_stub, told):
    service = start(start_stub, told)
    assert told.recv(100) == b"READY=1"
    assert service.get("/readyz").status == 200
    service.signal()
    assert told.recv(100) == b"STOPPING=1"
    assert service.wait() == 0


def test_a_watchdog_is_told_while_nothing_hangs(start_stub, told):
    service = start(start_stub, told, "--hang-seconds=0.3", watchdog_us=100_000)
    assert {told.recv(100) for _ in range(4)} == {b"READY=1", b"WATCHDOG=1"}
    stuck = threading.Thread(target=service.verify, args=([("image1", b"STUB:network_hang"), ("image2", b"second")],))
    stuck.start()
    service_hangs = False
    told.settimeout(1)
    while not service_hangs:
        try:
            told.recv(100)
        except TimeoutError:
            service_hangs = True
    assert service.get("/livez").status == 500
    told.settimeout(PATIENCE_S)
    assert told.recv(100) == b"WATCHDOG=1"  # it moves again
    stuck.join()


def test_without_a_watchdog_none_is_fed(start_stub, told):
    start(start_stub, told)
    assert told.recv(100) == b"READY=1"
    told.settimeout(0.5)
    with pytest.raises(TimeoutError):
        told.recv(100)


def analyzed(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=PATIENCE_S)


needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


@needs_systemd
def test_the_unit_is_valid(tmp_path):
    installed = tmp_path / UNIT.name  # the program is not where the unit says, here
    installed.write_text(UNIT.read_text().replace("/usr/local/bin/facepair", "/bin/true"))
    done = analyzed("verify", "--man=no", installed)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_unit_exposes_little():
    done = analyzed("security", "--offline=true", f"--threshold={int(EXPOSURE_MAX * 10)}", UNIT)
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"Overall exposure level for \S+: (\S+)", done.stdout)[1]) <= EXPOSURE_MAX
