"""How the program starts, refuses to start, and ends."""
import fcntl
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
from service import (DATA, PATIENCE_S, PROGRAM, STUB, Service, clean_environment, hanging, head, multipart, photo, read_answer,
                     write_stub_data)

PAIR = [("image1", b"first"), ("image2", b"second")]


def fails(program, data, *options, before=()):
    """The one line that a start that fails leaves; its exit code is 1. before: the program's own arguments."""
    environment = clean_environment() | {"FACEPAIR_LISTEN": "127.0.0.1:0", "FACEPAIR_ADMIN_LISTEN": "off"}
    done = subprocess.run([program, *before, "serve", "--data", data, *options], capture_output=True, text=True,
                          timeout=PATIENCE_S, env=environment)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (done.returncode, len(lines), done.stdout) == (1, 1, ""), done.stderr
    return lines[0]


@pytest.fixture
def of_nobody():
    """A folder that nobody can reach (the tree may be closed), and the words before a command that let nobody run it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        root = os.getuid() == 0
        yield pathlib.Path(folder), ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if root else ["env"]


@pytest.fixture
def copied(tmp_path):
    """A copy of the real data to damage."""
    return shutil.copytree(DATA, tmp_path / "data", copy_function=os.link)


def rewrite(path, change):
    data = path.read_bytes()
    path.unlink()  # it is a hard link
    path.write_bytes(change(data))


def get(port, path):
    """Of a service whose log is not read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    return connection.getresponse()


WEIGHTS = "models/dlib-resnet/1/weights.safetensors"
NEEDED = [WEIGHTS, "models/dlib-resnet/1/model.json", "models/dlib-resnet/active", "face/shape_predictor_5_face_landmarks.dat"]


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    assert name in fails(PROGRAM, copied)


def test_altered_weights_are_named(copied):
    rewrite(copied / WEIGHTS, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    assert WEIGHTS in fails(PROGRAM, copied)


@pytest.mark.parametrize("name", [name for name in NEEDED if not name.endswith("active")])
def test_a_truncated_file_is_named(copied, name):
    rewrite(copied / name, lambda data: data[:len(data) // 2])
    assert name in fails(PROGRAM, copied)


def test_a_data_directory_that_is_not_there_is_named(tmp_path):
    assert str(tmp_path / "nowhere") in fails(PROGRAM, tmp_path / "nowhere")


def test_a_data_directory_that_cannot_be_read_is_named(of_nobody, stub_data):
    folder, [word, *words] = of_nobody
    locked = shutil.copytree(stub_data, folder / "locked")
    locked.chmod(0)
    line = fails(word, locked, before=[*words, shutil.copy(STUB, folder)])
    locked.chmod(0o755)
    assert str(locked) in line and "ermission" in line


def test_where_nothing_can_be_written_refusals_need_another_place_or_are_not_counted(of_nobody, stub_data):
    folder, [word, *words] = of_nobody
    closed = shutil.copytree(stub_data, folder / "closed")
    closed.chmod(0o555)
    before = [*words, shutil.copy(STUB, folder)]
    line = fails(word, closed, before=before)
    assert str(closed) in line and "--lockout-data" in line and "--lockout off" in line
    service = Service(word, closed, "--lockout=off", before=before)
    assert service.event("no_store")["level"] == "warn"
    assert "subject_not_counted" in service.verify([*PAIR, ("subject", "alice")]).json["warnings"]
    assert service.stop() == 0
    closed.chmod(0o755)


def test_a_port_in_use_is_named(stub_data):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = fails(STUB, stub_data, f"--listen=127.0.0.1:{port}")
        assert f"127.0.0.1:{port}" in line and "in use" in line
        assert str(port) in fails(STUB, stub_data, f"--admin-listen=127.0.0.1:{port}")


@pytest.mark.parametrize("option", ["--listen=0.0.0.0:0", "--listen=[::]:0", "--admin-listen=0.0.0.0:0",
                                    "--metrics-listen=0.0.0.0:0"])
def test_beyond_loopback_only_insecurely(stub_data, option):
    assert "--insecure" in fails(STUB, stub_data, option)


def test_insecure_serves_any_host(start_stub):
    service = start_stub("--insecure", "--listen=0.0.0.0:0")
    assert service.get("/v1/info", Host="anything.example").status == 200


def test_a_default_rate_that_the_model_cannot_keep(stub_data):
    line = fails(STUB, stub_data, "--default-max-fmr=0.00001")
    assert "dlib-resnet@1" in line and "default-max-fmr" in line


def test_an_unknown_default_model(stub_data):
    assert "nobody" in fails(STUB, stub_data, "--model=nobody")


def test_wrong_usage_exits_2(stub_data):
    for options in (["--no-such-option"], ["--threads=many"], ["--timeout-ms=5"], ["--log-level=loud"]):
        done = subprocess.run([STUB, "serve", "--data", stub_data, *options], capture_output=True, timeout=PATIENCE_S)
        assert done.returncode == 2 and done.stderr


def test_a_variable_that_is_no_option_is_told(start_stub):
    """But not those that Kubernetes makes of Services named facepair and facepair-control."""
    of_services = {"SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "80", "SERVICE_PORT_HTTP": "80", "PORT": "tcp://10.0.0.1:80",
                   "PORT_80_TCP": "tcp://10.0.0.1:80", "PORT_80_TCP_ADDR": "10.0.0.1", "CONTROL_PORT": "tcp://10.0.0.2:8081",
                   "CONTROL_SERVICE_HOST": "10.0.0.2", "CONTROL_PORT_8081_TCP_PROTO": "tcp"}
    known = {"TIMEOUT_MS": "9000", "TEST_X": "1", "STUB_X": "1", "FAIL_X": "1", "LFW": "/", "KEY": "fp_x", "EMPTY": ""}
    wrong = {"TIMEOUT": "9000", "KEYS": "keys.json", "LISTEN_PORT": "8080", "TIMEOUT_MSS": "1"}
    service = start_stub(**{f"FACEPAIR_{name}": value for name, value in (of_services | known | wrong).items()})
    events = [event for event in map(json.loads, service.log) if event["event"] == "unknown_variable"]
    assert {(event["variable"], event["level"]) for event in events} == {(f"FACEPAIR_{name}", "warn") for name in wrong}
    assert len(events) == len(wrong)


def test_a_device_that_is_not_there(stub_data):
    assert "cuda:7" in fails(PROGRAM, DATA, "--device=cuda:7")


def test_the_log_is_json_lines_and_tells_of_the_start_before_any_request(start_stub):
    service = start_stub()
    service.verify(PAIR, X_Request_Id="logged-once")
    event = service.event("request", request_id="logged-once")
    assert (event["route"], event["status"], event["level"]) == ("/v1/verify", 200, "info")
    events = [json.loads(line)["event"] for line in service.log]
    assert "sandbox" in events[: events.index("ready")] and "request" not in events[: events.index("ready")]
    assert b"first" not in "".join(service.log).encode()


def test_nothing_is_logged_when_it_is_off(stub_data):
    with socket.socket() as held:  # bound and not listening: the port is nobody's but the program's, which reuses addresses
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        process = subprocess.Popen([STUB, "serve", "--data", stub_data, f"--listen=127.0.0.1:{port}", "--admin-listen=off",
                                    "--log-level=off"], stderr=subprocess.PIPE)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
        process.terminate()
        assert (process.communicate(timeout=PATIENCE_S)[1], process.returncode) == (b"", 0)


# The only thread that prepares is busy with it for three seconds: time enough to see what waits behind it.
HANGING = [("image1", b"STUB:hang 1"), ("image2", b"second")]


def test_a_log_that_nobody_reads_holds_up_no_answer_and_no_end(stub_data):
    """Two pages of a pipe and no reader, as where the program that collects the log has stopped."""
    ports = {"FACEPAIR_LISTEN": "127.0.0.1:0", "FACEPAIR_ADMIN_LISTEN": "127.0.0.1:0"}
    process = subprocess.Popen([STUB, "serve", "--data", stub_data], stderr=subprocess.PIPE, env=clean_environment() | ports)
    try:
        ready = next(event for event in map(json.loads, process.stderr) if event["event"] == "ready")
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 2 * 4096)
        port, admin = (int(ready[name].rsplit(":", 1)[1]) for name in ("listen", "admin"))
        for _ in range(100):
            assert get(port, "/v1/info").status == 200
        [dropped] = re.findall(rb"\nfacepair_log_lines_dropped_total (\d+)\n", get(admin, "/metrics").read())
        assert 0 < int(dropped) < 100
        process.terminate()
        assert process.wait(timeout=PATIENCE_S) == 0
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work_in_flight_is_answered_before_the_end(start_stub, number):
    service = start_stub("--prepare-threads=1")
    answers = []
    clients = [threading.Thread(target=lambda pair=pair: answers.append(service.verify(pair))) for pair in [HANGING] + [PAIR] * 4]
    clients[0].start()
    service.await_metric('facepair_queue_length{queue="prepare"} 1')
    for client in clients[1:]:
        client.start()
    service.await_metric('facepair_queue_length{queue="prepare"} 9')
    service.signal(number)
    for client in clients:
        client.join()
    assert [answer.status for answer in answers] == [200] * 5
    assert service.wait() == 0
    assert service.event("stopped")["drained"] is True


def test_real_work_in_flight_is_answered_before_the_end():
    """One thread prepares as many photographs as there may be, for each of three: two of each are out at a time."""
    service = Service(PROGRAM, DATA, "--prepare-threads=1", "--queue-ms=60000", "--timeout-ms=60000")
    photographs = [(f"image{i}", photo("obama2.jpg")) for i in range(1, 33)]
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(service.post_form("/v1/embeddings", photographs))) for _ in range(3)]
    for client in clients:
        client.start()
    service.await_metric('facepair_queue_length{queue="prepare"} 5')
    service.signal()
    for client in clients:
        client.join()
    assert [answer.status for answer in answers] == [200] * 3
    assert all(item["object"] == "embedding" for answer in answers for item in answer.json["data"])
    assert service.wait() == 0


def test_new_connections_are_refused_after_the_signal(start_stub):
    service = start_stub()
    service.signal()
    assert service.wait() == 0
    with pytest.raises(ConnectionError):
        service.connect()


def test_during_the_drain_delay_it_serves_on_and_says_goodbye(start_stub):
    service = start_stub("--drain-delay=600")
    assert service.verify(PAIR).headers["Connection"] != "close"
    service.signal()
    service.event("draining", delay_ms=600000)
    assert service.get("/readyz").status == 503
    assert service.get("/livez").status == 200
    answer = service.verify(PAIR)
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    service.signal()
    assert service.wait() == 128 + signal.SIGTERM


def test_the_other_listeners_say_goodbye_too(start_stub):
    service = start_stub("--drain-delay=600", "--metrics-listen=127.0.0.1:0")
    side = service.admin_port, service.metrics_port
    assert [service.get("/metrics", port).headers["Connection"] for port in side] == [None, None]
    service.signal()
    service.event("draining")
    assert [service.get("/metrics", port).headers["Connection"] for port in side] == ["close", "close"]
    service.signal()
    assert service.wait() == 128 + signal.SIGTERM


def test_after_the_drain_delay_it_ends_although_connections_are_idle(start_stub):
    service = start_stub("--drain-delay=0.3")
    with service.connect() as idle:
        idle.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(idle).status == 200
        service.signal()
        assert service.wait() == 0
        assert idle.recv(1) == b""
    assert service.event("stopped")["drained"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_models_are_loaded_ends_it_at_once(tmp_path, number):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    with hanging(data / "models" / "dlib-resnet" / "active"):
        process = subprocess.Popen([STUB, "serve", "--data", data, "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"],
                                   stderr=subprocess.PIPE, env=clean_environment())
        try:
            next(event for event in map(json.loads, process.stderr) if event["event"] == "sandbox")
            process.send_signal(number)
            assert process.wait(timeout=PATIENCE_S) == 0
        finally:
            process.kill()


def test_a_second_signal_ends_it_at_once(start_stub):
    service = start_stub("--prepare-threads=1")
    body, content_type = multipart(HANGING)
    with service.connect() as connection:
        connection.sendall(head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]) + body)
        service.await_metric('facepair_queue_length{queue="prepare"} 1')
        service.signal(signal.SIGTERM)
        service.event("draining")
        service.signal(signal.SIGINT)
        assert service.wait() == 128 + signal.SIGINT


def test_a_second_signal_ends_it_also_while_it_is_taken_apart(start_stub, stub_data, tmp_path):
    """Its record goes to a pipe that nobody reads, and the last lines of it are waited for."""
    pipe, script = tmp_path / "pipe", tmp_path / "into-a-pipe"
    os.mkfifo(pipe)
    script.write_text(f'#!/bin/sh\nexec "{STUB}" "$@" >"{pipe}"\n')
    script.chmod(0o755)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    with open(reader, "wb", buffering=0):
        while os.write(reader, bytes(4096)) if select.select([], [reader], [], 0)[1] else 0:
            pass
        service = Service(script, stub_data, "--audit=-")
        assert service.verify(PAIR).status == 200
        service.signal()
        service.event("stopped")
        service.signal()
        assert service.wait() == 128 + signal.SIGTERM


def test_a_second_signal_ends_it_although_the_loop_hangs(start_stub, tmp_path):
    """It tells the service manager that it stops, and the stub does not come back from that."""
    manager = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening, hanging(manager):
        listening.bind(str(manager))
        service = start_stub(NOTIFY_SOCKET=str(manager), FACEPAIR_STUB_STOPPING=str(manager))
        service.signal()
        service.event("draining")
        service.signal(signal.SIGINT)
        assert service.wait() == 128 + signal.SIGINT


def limited(tmp_path, files):
    """The stub, which may have so many files open."""
    script = tmp_path / "limited"
    script.write_text(f'#!/bin/sh\nulimit -n {files}\nexec "{STUB}" "$@"\n')
    script.chmod(0o755)
    return script


def test_more_files_may_be_open_than_a_shell_allows(start_stub):
    service = start_stub("--connections=1500")
    [line] = [line for line in open(f"/proc/{service.process.pid}/limits") if line.startswith("Max open files")]
    assert int(line.split()[3]) >= min(3000, int(line.split()[4]))


def test_connections_for_which_no_files_may_be_open_are_not_promised(stub_data, tmp_path):
    service = Service(limited(tmp_path, 712), stub_data, "--connections=1024")
    assert service.event("connections_lowered")["connections"] == 100
    assert service.verify(PAIR).status == 200
    assert service.stop() == 0


def test_too_few_files_are_told_at_the_start(stub_data, tmp_path):
    assert "ulimit -n" in fails(limited(tmp_path, 300), stub_data)


def test_a_client_that_dawdles_does_not_hold_the_end(start_stub):
    service = start_stub()
    with service.connect() as slow:
        slow.sendall(head(service, ["Content-Type: application/json", "Content-Length: 1000"]) + b"{")
        service.await_metric("facepair_http_in_flight 2")
        service.signal()
        assert service.wait() == 0  # its deadline would be 30 s
        assert slow.recv(1) == b""


def test_a_disk_that_hangs_does_not_hold_the_end_nor_cost_the_record_a_line(start_stub, tmp_path):
    data, record = write_stub_data(tmp_path / "data", dlib_resnet={}), tmp_path / "audit.jsonl"
    service = start_stub("--audit", record, data=data)
    with hanging(data / "models" / "dlib-resnet" / "active"):
        time.sleep(1)  # it looks twice a second
        assert service.verify(PAIR).status == 200
        service.signal()
        assert service.wait() == 0
    assert service.event("thread_left_behind")["thread"] == "disk"
    assert [json.loads(line)["event"] for line in record.read_text().splitlines()] == ["decision"]


def test_a_request_that_waits_for_a_disk_that_hangs_does_not_hold_the_end(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    service = start_stub("--hang-seconds=0.5", data=data)
    with hanging(data / "models" / "dlib-resnet" / "active"):
        with service.connect(service.admin_port) as operator:
            operator.sendall(b"GET /admin/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
            service.await_metric("facepair_http_in_flight 2")
            service.signal()
            assert service.wait() == 0
    assert service.event("thread_left_behind")["thread"] == "disk"


def test_no_metrics_on_the_public_listener_and_no_admin_when_off(start_stub):
    service = start_stub("--metrics-listen=127.0.0.1:0")
    assert service.get("/metrics").status == 404
    assert service.get("/v1/info", service.admin_port).status == 404
    assert service.get("/metrics", service.metrics_port).status == 200


def test_a_control_process_needs_an_admin_listener(stub_data):
    done = subprocess.run([STUB, "serve", "--data", stub_data, "--role=control", "--admin-listen=off"], capture_output=True,
                          text=True, timeout=PATIENCE_S, env=clean_environment())
    assert done.returncode == 2 and "--admin-listen" in done.stderr


@pytest.mark.parametrize("delay", ["0", "0.3"])
def test_a_control_process_needs_no_public_listener(start_stub, delay):
    service = start_stub("--role=control", "--listen=off", f"--drain-delay={delay}")
    assert service.port is None
    assert service.get("/readyz", service.admin_port).status == 200
    with service.connect(service.admin_port) as idle:
        idle.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(idle, "GET").status == 200
        assert service.stop() == 0
    assert service.event("stopped")["drained"] is True


def test_without_any_listener_it_does_not_start(stub_data):
    assert "no listener" in fails(STUB, stub_data, "--listen=off")
    assert "no listener" in fails(STUB, stub_data, "--listen=off", "--admin-listen=127.0.0.1:0", "--role=serve", "--lockout=off")
