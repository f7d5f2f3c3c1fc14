"""TLS by option: what a client may send in pieces, late, or not at all, and what is served over it."""
import hashlib
import http.client
import io
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tarfile
import time
import uuid

import disk_queue
import pytest
from certificates import CLIENT, DAY, Authority, TlsService, trusting
from service import STUB, clean_environment, hanging, head, hesitating, multipart, read_answer, write_stub_data
from test_keys import bearer, create

PAIR = [("image1", b"first"), ("image2", b"second")]
HELLO_BYTES = 517  # of a record that says it is this long; enough of a ClientHello to wait for its rest
HALF_HELLO = b"\x16\x03\x01" + HELLO_BYTES.to_bytes(2, "big") + b"\x01\x00\x02\x00\x03\x03"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def start(authority, stub_data):
    """Starts a stub service with a certificate: start("--header-ms=300")"""
    started = []

    def begin(*options, certificate=None, **environment):
        started.append(TlsService(STUB, stub_data, trusting(authority), certificate or authority.issue("server"), *options,
                                  environment=environment))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            assert service.stop() == 0, service.log[-20:]


@pytest.fixture(scope="module")
def service(start):
    return start("--metrics-listen", "127.0.0.1:0")


def rejected(service, reason):
    text = service.get("/metrics", service.admin_port).body.decode()
    return int(float((re.findall(rf'facepair_rejected_total{{reason="{reason}"}} (\S+)', text) or ["0"])[0]))


def eventually(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---- the protocol ----

def test_photographs_are_compared(service):
    answer = service.verify(PAIR)
    assert answer.status == 200 and "verified" in answer.json


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(service, authority, version):
    context = trusting(authority)
    context.minimum_version = context.maximum_version = version
    assert service.request("GET", "/livez", context=context).status == 200


@pytest.mark.parametrize("options", [["-tls1_1"], ["-tls1_2", "-cipher", "AES128-SHA256:AES256-GCM-SHA384:@SECLEVEL=0"],
                                     ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"]],
                         ids=["TLS 1.1", "without forward secrecy", "without authenticated encryption"])
def test_what_is_weaker_is_refused(service, options):
    if options == ["-tls1_1"]:
        options = options + ["-cipher", "ALL:@SECLEVEL=0"]
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{service.port}", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode != 0 and b"Cipher is (NONE)" in done.stdout


def test_bytes_that_are_not_tls_end_the_connection(service):
    before = rejected(service, "handshake")
    with service.dial() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP/1.1" not in connection.recv(100)
    eventually(lambda: rejected(service, "handshake") > before)


def test_the_metrics_listener_stays_plain(service):
    connection = http.client.HTTPConnection("127.0.0.1", service.metrics_port, timeout=10)
    connection.request("GET", "/readyz")
    assert connection.getresponse().status == 200


def test_the_metrics_listener_speaks_tls_where_it_is_asked_to(start):
    service = start("--metrics-listen", "127.0.0.1:0", "--metrics-tls")
    assert service.get("/readyz", service.metrics_port).status == 200


# ---- bytes in pieces ----

LARGE = [("image1", os.urandom(3_000_001)), ("image2", os.urandom(2_999_983))]


@pytest.mark.parametrize("size", [997, 16383, 16384, 16385, 100_003, 7_000_000])
def test_a_large_body_arrives_in_records_of_any_size(service, size):
    body, content_type = multipart(LARGE)
    with service.connect() as connection:
        connection.sendall(head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]))
        for at in range(0, len(body), size):
            connection.sendall(body[at:at + size])
        assert read_answer(connection).status == 200


@pytest.mark.parametrize("size", [1, 5, 1447, 65_521])
def test_records_arrive_in_segments_of_any_size(service, size):
    """The end of a record, and the whole of the next, may come with one segment: nothing then tells of the next."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = service.context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    body, content_type = multipart(PAIR if size < 100 else LARGE)
    with service.dial() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def flush():
            data = outgoing.read()
            for at in range(0, len(data), size):
                connection.sendall(data[at:at + size])

        def wanting(call):
            while True:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    flush()
                    data = connection.recv(65536)
                    assert data
                    incoming.write(data)

        wanting(session.do_handshake)
        flush()
        session.write(head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]))
        for at in range(0, len(body), 16_000):
            session.write(body[at:at + 16_000])
        flush()
        assert wanting(lambda: session.read(100)).startswith(b"HTTP/1.1 200")


def test_requests_in_one_record_are_all_answered(service):
    with service.connect() as connection:
        connection.sendall(head(service, [], "GET", "/livez") * 5 + head(service, ["Connection: close"], "GET", "/livez"))
        text = b"".join(iter(lambda: connection.recv(65536), b""))
        assert text.count(b"HTTP/1.1 200") == 6


def test_a_connection_serves_many_requests(service):
    with service.connect() as connection:
        for _ in range(200):
            connection.sendall(head(service, [], "GET", "/livez"))
            assert read_answer(connection, "GET").status == 200


def test_a_callers_time_runs_from_the_first_byte_of_the_request_line(service):
    lines = ["Content-Type: application/json", "Content-Length: 2", "X-Request-Timeout-Ms: 200"]
    assert hesitating(service, head(service, lines, path="/v1/compare") + b"{}") == [400, 504, 400, 504]


def test_a_client_that_has_said_its_last_is_answered(service):
    with service.connect() as connection:
        connection.sendall(head(service, [], "GET", "/v1/info"))
        socket.socket.shutdown(connection, socket.SHUT_WR)
        assert read_answer(connection, "GET").status == 200


def test_a_client_that_leaves_in_its_body_harms_nobody(service):
    for _ in range(20):
        with service.connect() as connection:
            connection.sendall(head(service, ["Content-Type: application/json", "Content-Length: 100000"]) + b"{" * 50_000)
    assert service.verify(PAIR).status == 200
    eventually(lambda: b"facepair_http_in_flight 1\n" in service.get("/metrics", service.admin_port).body)


def archive(*names):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in names:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return out.getvalue()


def test_an_archive_is_taken_as_it_comes(start, stub_data):
    service = start("--no-trainer")
    body = archive(*[(f"ann/ann_{i:04}.jpg", os.urandom(300_000)) for i in range(1, 21)])
    answer = service.request("PUT", "/admin/v1/datasets/over-tls", body, {"Content-Type": "application/x-tar"}, service.admin_port)
    assert answer.status == 201, answer.body


def test_an_archive_is_refused_in_its_middle(start):
    service = start("--no-trainer")
    body = archive(("../escape.jpg", b"x" * 1000), ("ann/ann_0001.jpg", b"x" * 30_000_000))
    with service.connect(service.admin_port) as connection:
        connection.sendall(head(service, ["Content-Type: application/x-tar", f"Content-Length: {len(body)}"], "PUT",
                                "/admin/v1/datasets/bad") + body[:4096])
        answer = read_answer(connection, "PUT")
    assert 400 <= answer.status < 500 and answer.headers["Connection"] == "close"


def test_a_refusal_before_a_large_body_is_read_to_its_end(service):
    with service.connect() as connection:
        connection.sendall(head(service, ["Content-Type: multipart/form-data; boundary=x", "Content-Length: 60000000"]) + b"x" * 100_000)
        answer = read_answer(connection)
        assert answer.status == 413 and answer.headers["Connection"] == "close"


# ---- handshakes that do not end ----

def processor_seconds(service):
    fields = open(f"/proc/{service.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_handshake_has_the_headers_deadline(start):
    service = start("--header-ms=300")
    with service.dial() as silent, service.dial() as half:
        half.sendall(HALF_HELLO)
        assert silent.recv(100) == b""
        assert b"HTTP" not in half.recv(100)
    eventually(lambda: rejected(service, "timeout") == 2)


def test_a_handshake_byte_by_byte_has_one_deadline_for_all(start):
    service = start("--header-ms=500")
    with service.dial() as connection:
        with pytest.raises(OSError):
            for byte in HALF_HELLO + bytes(HELLO_BYTES):
                connection.sendall(bytes([byte]))
                time.sleep(0.01)
            raise AssertionError("five seconds of single bytes were accepted")


def test_clients_that_leave_in_the_handshake_harm_nobody(service):
    for data in [b"", HALF_HELLO[:1], HALF_HELLO, HALF_HELLO + os.urandom(600)]:
        for reset in (False, True):
            connection = service.dial()
            connection.sendall(data)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            connection.close()
    assert service.verify(PAIR).status == 200


def test_a_thousand_unfinished_handshakes_keep_nobody_busy_and_hold_up_nobody(start):
    service = start("--connections=1100")
    waiting = [service.dial() for _ in range(1000)]
    for number, connection in enumerate(waiting):
        if number % 2:
            connection.sendall(HALF_HELLO)
    assert service.verify(PAIR).status == 200
    before, begin = processor_seconds(service), time.monotonic()
    while time.monotonic() < begin + 2:
        time.sleep(0.1)
    assert processor_seconds(service) - before < 1, "half of a core, and more, went into waiting"
    assert service.verify(PAIR).status == 200
    assert service.stop() == 0
    for connection in waiting:
        connection.close()


def test_what_waits_is_waited_for_once_more_after_each_piece(service):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = service.context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    hello = outgoing.read()
    with service.dial() as connection:
        for piece in (hello[:3], hello[3:100], hello[100:]):
            connection.sendall(piece)
            time.sleep(0.05)
        assert connection.recv(1) == b"\x16"  # the server's half of the handshake


# ---- certificates ----

def serial(service):
    with service.connect() as connection:
        return connection.getpeercert()["serialNumber"]


def test_another_certificate_is_shown_after_sighup(start, authority):
    service = start(certificate=authority.issue("renewed"))
    first = serial(service)
    with service.connect() as before:
        before.sendall(head(service, [], "GET", "/livez"))
        assert read_answer(before, "GET").headers["Connection"] != "close"
        authority.issue("renewed")
        service.signal(signal.SIGHUP)
        service.event("certificate_reloaded")
        assert serial(service) != first
        before.sendall(head(service, [], "GET", "/livez"))
        assert read_answer(before, "GET").headers["Connection"] == "close"


def test_a_certificate_that_cannot_be_read_changes_nothing(start, authority):
    certificate = authority.issue("damaged")
    service = start(certificate=certificate)
    first = serial(service)
    certificate[0].write_text("no certificate")
    service.signal(signal.SIGHUP)
    assert str(certificate[0]) in service.event("certificate_not_reloaded")["detail"]
    assert serial(service) == first


def test_a_renewal_waits_for_no_disk_that_is_busy(authority, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    service = TlsService(STUB, data, trusting(authority), authority.issue("late"), "--no-trainer")
    first = serial(service)
    with disk_queue.full(service, data):
        authority.issue("late")
        service.signal(signal.SIGHUP)
        service.event("certificate_reloaded")
        assert serial(service) != first
    assert service.stop() == 0


def test_a_renewal_waits_for_its_own_files_says_so_and_is_not_lost(start, authority):
    certificate, key = authority.issue("slow")
    service = start(certificate=(certificate, key))
    first = serial(service)
    with hanging(key):
        service.signal(signal.SIGHUP)
        assert service.event("certificate_reload_waits")["file"] == str(certificate)
        assert serial(service) == first
        authority.issue("slow")
    service.event("certificate_reloaded")
    assert serial(service) != first


def test_renewals_under_load_lose_no_request(start, authority):
    service = start(certificate=authority.issue("busy"))
    for number in range(1, 11):
        authority.issue("busy")
        service.signal(signal.SIGHUP)
        for _ in range(10):
            assert service.verify(PAIR).status == 200
    service.event("certificate_reloaded")


def fails(*options):
    ports = {"FACEPAIR_LISTEN": "127.0.0.1:0", "FACEPAIR_ADMIN_LISTEN": "127.0.0.1:0"}
    done = subprocess.run([STUB, "serve", *options], capture_output=True, text=True, timeout=60, env=clean_environment() | ports)
    return done.returncode, done.stderr


def test_a_key_that_others_may_read_is_refused(authority, stub_data):
    certificate, key = authority.issue("open")
    key.chmod(0o644)
    code, text = fails("--data", stub_data, "--tls-certificate", certificate, "--tls-key", key)
    assert code == 1 and "chmod 600" in text and str(key) in text


def test_a_key_of_another_certificate_is_refused(authority, stub_data):
    code, text = fails("--data", stub_data, "--tls-certificate", authority.issue("one")[0], "--tls-key", authority.issue("two")[1])
    assert code == 1 and "one.pem" in text


def test_a_file_that_is_no_pem_is_named(authority, stub_data, tmp_path):
    certificate, key = authority.issue("sound")
    other = tmp_path / "other"
    other.write_bytes(bytes(200))
    other.chmod(0o600)
    for files in ((certificate, other), (other, key)):
        code, text = fails("--data", stub_data, "--tls-certificate", files[0], "--tls-key", files[1])
        assert code == 1 and f"{other}: is no PEM file" in text


@pytest.mark.parametrize("options", [("--tls-certificate", "x"), ("--tls-key", "x"), ("--admin-client-ca", "x"), ("--metrics-tls",)])
def test_options_that_need_each_other(options):
    assert fails(*options)[0] == 2


# ---- mutual TLS for the admin listener ----

@pytest.fixture(scope="module")
def mutual(start, authority):
    return start("--admin-client-ca", authority.file)


def admin(service, context, path="/admin/v1/models"):
    return service.request("GET", path, port=service.admin_port, context=context)


def test_a_client_with_a_certificate_is_served_and_named_in_the_log(mutual, authority):
    certificate = authority.issue("client", CLIENT, common_name="ann the operator")
    assert admin(mutual, trusting(authority, certificate)).status == 200
    assert mutual.event("request", route="/admin/v1/models", status=200)["certificate"] == "ann the operator"


def long_name(name):
    """As server/http/listener.h has it."""
    begin = name.encode()[:15].decode(errors="ignore")
    return begin + "~" * (16 - len(begin.encode())) + hashlib.sha256(name.encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", ["o" * 31, "o" * 32, "platform-operations/deployments-of-ann",
                                  "platform-operations/deployments-of-bob", "ann " + "\u00e4" * 30, "\u732b" * 64],
                         ids=["31 bytes", "32 bytes", "of ann", "of bob", "umlauts", "Chinese"])
def test_a_long_name_is_told_by_its_beginning_and_a_hash(mutual, authority, name):
    context, asked = trusting(authority, authority.issue("long", CLIENT, common_name=name)), uuid.uuid4().hex
    answer = mutual.request("GET", "/admin/v1/models", headers={"X-Request-Id": asked}, port=mutual.admin_port, context=context)
    assert answer.status == 200
    assert mutual.event("request", request_id=asked)["certificate"] == (name if len(name.encode()) < 32 else long_name(name))


def test_a_client_without_one_is_refused(mutual, authority):
    answer = admin(mutual, trusting(authority))
    assert answer.status == 401 and answer.json["code"] == "unauthorized"


def test_certificates_that_are_not_accepted(mutual, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    refused = {"issuer": stranger.issue("client", CLIENT), "expired": authority.issue("old", CLIENT, -2 * DAY, -DAY),
               "not valid yet": authority.issue("early", CLIENT, DAY / 2, DAY), "not for clients": authority.issue("server2")}
    for why, certificate in refused.items():
        answer = admin(mutual, trusting(authority, certificate))
        assert (answer.status, answer.json["code"]) == (403, "insufficient_scope"), why
        assert why in answer.json["detail"]


def test_probes_need_no_certificate(mutual, authority):
    assert admin(mutual, trusting(authority), "/readyz").status == 200


def test_the_public_listener_asks_for_none(mutual):
    assert mutual.verify(PAIR).status == 200


def test_a_certificate_takes_no_keys_place(start, authority, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    service = start("--admin-client-ca", authority.file, "--keys-file", keys)
    assert admin(service, trusting(authority, authority.issue("keyless", CLIENT))).status == 401


def test_log_and_record_tell_the_certificate_beside_the_key(start, authority, tmp_path):
    keys, record = tmp_path / "keys.json", tmp_path / "audit.jsonl"
    key = create(keys, "--scope", "models:promote")
    service = start("--admin-client-ca", authority.file, "--keys-file", keys, "--audit", record)
    context = trusting(authority, authority.issue("ann", CLIENT))

    def promote(asked, headers):
        return service.request("PUT", "/admin/v1/models/dlib-resnet/active", '{"version": "1"}',
                               {"Content-Type": "application/json", "X-Request-Id": asked} | headers, service.admin_port, context).status
    assert [promote("with", bearer(key)), promote("without", {})] == [200, 401]
    who = {"with": {"certificate": "ann", "key": key.split("_")[1]}, "without": {"certificate": "ann"}}
    for asked, members in who.items():
        assert members.items() <= service.event("request", request_id=asked).items()
    assert service.stop() == 0
    lines = [json.loads(line) for line in record.read_bytes().splitlines()]
    assert [(line["request_id"], line["certificate"], line["key"]) for line in lines] == [
        ("with", "ann", key.split("_")[1]), ("without", "ann", None)]


def test_another_authority_is_in_force_after_sighup(start, authority, tmp_path):
    other, accepted = Authority(tmp_path, "other"), tmp_path / "accepted.pem"
    accepted.write_bytes(authority.file.read_bytes())
    service = start("--admin-client-ca", accepted)
    mine, theirs = trusting(authority, authority.issue("mine", CLIENT)), trusting(authority, other.issue("theirs", CLIENT))
    assert (admin(service, mine).status, admin(service, theirs).status) == (200, 403)
    accepted.write_bytes(other.file.read_bytes())
    service.signal(signal.SIGHUP)
    service.event("certificate_reloaded")
    assert (admin(service, mine).status, admin(service, theirs).status) == (403, 200)


def test_with_client_certificates_the_admin_listener_may_be_beyond_loopback(authority, stub_data):
    certificate, key = authority.issue("wide")
    beyond = ("--data", stub_data, "--admin-listen", "192.0.2.1:0", "--tls-certificate", certificate, "--tls-key", key)
    assert "no key protects it" in fails(*beyond)[1]
    assert "Cannot listen on 192.0.2.1" in fails(*beyond, "--admin-client-ca", authority.file)[1]
