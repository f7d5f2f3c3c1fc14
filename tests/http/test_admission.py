"""Who is refused for want of time or memory, and when: 503 at once, instead of an answer or a 504 that comes too late."""
import os
import pathlib
import re
import socket
import threading
import time

import pytest
from service import SANITIZED, encoded, head, hesitating, multipart, read_answer, wait_until, write_stub_data

PAIR = [("image1", b"first"), ("image2", b"second")]
SLOW = [("image1", b"STUB:slow 1"), ("image2", b"STUB:slow 2")]  # 50 ms each
MIB = 1 << 20


def behind_one_that_hangs(service, crowd, others):
    """The only thread that prepares is busy for 3 s, and the photographs of so many others wait."""
    assert service.verify(SLOW).status == 200  # now it knows what one takes
    crowd.send(service.verify, [("image1", b"STUB:hang"), ("image2", b"second")])
    service.await_metric('facepair_queue_length{queue="prepare"} 1')
    for _ in range(others):
        crowd.send(service.verify, SLOW)
    service.await_metric(f'facepair_queue_length{{queue="prepare"}} {2 * others + 1}')


def asked_before_the_body(service, *lines, content_type=multipart(PAIR)[1], size=1000):
    """The answer to a client that waits for leave to send its pair; None: it has leave."""
    with service.connect() as connection:
        connection.sendall(head(service, [f"Content-Type: {content_type}", f"Content-Length: {size}", "Expect: 100-continue", *lines]))
        leave = connection.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 100"
        return None if leave else read_answer(connection)


class Crowd:
    """Requests of others under way; leave() waits for their answers."""

    def __init__(self):
        self.threads, self.statuses = [], []

    def send(self, ask, *arguments, **headers):
        self.threads.append(threading.Thread(target=lambda: self.statuses.append(ask(*arguments, **headers).status)))
        self.threads[-1].start()

    def leave(self):
        for thread in self.threads:
            thread.join()
        return self.statuses


@pytest.fixture
def crowd():
    crowd = Crowd()
    yield crowd
    crowd.leave()


@pytest.fixture(scope="module")
def one_model(tmp_path_factory):
    """How long a face takes is measured of each model at the start, which lasts where the network is slow."""
    return write_stub_data(tmp_path_factory.mktemp("one") / "data", dlib_resnet={})


def three_pairs_at_the_network(service, crowd):
    """One is computed, for 3 s, and two wait."""
    crowd.send(service.verify, [("image1", b"STUB:network_hang"), ("image2", b"second")])
    service.await_metric('facepair_images_total{outcome="ok"} 2')
    service.await_metric('facepair_queue_length{queue="embed"} 0')
    for waiting in (1, 2):
        crowd.send(service.verify, PAIR)
        service.await_metric(f'facepair_queue_length{{queue="embed"}} {waiting}')


def test_more_work_than_may_wait_is_refused_at_once(start_stub, one_model, crowd):
    service = start_stub("--queue-ms=2000", data=one_model, FACEPAIR_STUB_FACE_US="600000")
    three_pairs_at_the_network(service, crowd)
    refused = service.verify(PAIR)
    assert (refused.status, refused.json["code"]) == (503, "overloaded")
    assert 3 <= int(refused.headers["Retry-After"]) <= 4  # two pairs of 1.2 s, and what should be left of the one that is computed
    assert crowd.leave() == [200] * 3


def test_what_would_be_late_is_refused_instead_of_waiting_for_its_504(start_stub, one_model, crowd):
    service = start_stub("--queue-ms=60000", data=one_model, FACEPAIR_STUB_FACE_US="300000")
    three_pairs_at_the_network(service, crowd)
    assert service.verify(PAIR, X_Request_Timeout_Ms=1100).json["code"] == "overloaded"
    assert crowd.leave() == [200] * 3


def test_the_work_of_other_versions_does_not_count_as_ones_own(start_stub, crowd):
    service = start_stub("--queue-ms=2000", FACEPAIR_STUB_SLOW_MODEL="dlib-resnet", FACEPAIR_STUB_FACE_US="600000")
    three_pairs_at_the_network(service, crowd)
    assert service.verify(PAIR).status == 503
    assert service.verify([*PAIR, ("model", "plain"), ("threshold", "0.5")]).status == 200


def test_a_crowd_at_the_preparation_is_told_before_the_body_is_sent(start_stub, crowd):
    service = start_stub("--queue-ms=60000", "--prepare-threads=1")
    behind_one_that_hangs(service, crowd, others=9)  # 950 ms of work
    answer = asked_before_the_body(service, "X-Request-Timeout-Ms: 200")
    assert (answer.status, answer.json["code"], answer.headers["Connection"]) == (503, "overloaded", "close")


def test_a_crowd_at_the_network_is_told_before_the_body_is_sent(start_stub, one_model, crowd):
    service = start_stub("--queue-ms=2000", data=one_model, FACEPAIR_STUB_FACE_US="600000")
    three_pairs_at_the_network(service, crowd)
    answer = asked_before_the_body(service)
    assert (answer.status, answer.json["code"], answer.headers["Connection"]) == (503, "overloaded", "close")
    assert 3 <= int(answer.headers["Retry-After"]) <= 4
    assert crowd.leave() == [200] * 3


def test_a_crowd_of_one_version_does_not_keep_the_others_bodies_out(start_stub, crowd):
    service = start_stub("--queue-ms=2000", FACEPAIR_STUB_SLOW_MODEL="dlib-resnet", FACEPAIR_STUB_FACE_US="600000")
    three_pairs_at_the_network(service, crowd)
    assert asked_before_the_body(service) is None


def test_photographs_to_come_of_other_requests_count_for_a_request_of_many(start_stub, crowd):
    """They take turns: so each would end when all have."""
    service = start_stub("--queue-ms=700", "--prepare-threads=1")
    many = [(f"image{i}", b"STUB:slow %d" % i) for i in range(1, 18)]
    many[1] = ("image2", b"STUB:hang")
    crowd.send(service.post_form, "/v1/embeddings", many)
    service.await_metric('facepair_images_total{outcome="ok"} 1')
    assert service.post_form("/v1/embeddings", many).json["code"] == "overloaded"
    assert service.verify(PAIR).status == 200
    assert crowd.leave() == [200]


def test_an_idle_service_takes_what_lasts_longer_than_may_wait(start_stub):
    service = start_stub("--queue-ms=1", FACEPAIR_STUB_FACE_US="50000")
    assert [service.verify(SLOW).status for _ in range(3)] == [200] * 3


def test_reading_json_does_not_wait_for_the_preparation_of_others(start_stub, crowd):
    """A comparison takes a millisecond and is done behind the task under way, not behind all."""
    service = start_stub("--queue-ms=60000", "--prepare-threads=1")
    token = service.embed(b"person")[0]["token"]
    behind_one_that_hangs(service, crowd, others=5)
    assert service.compare(token, token).status == 200
    assert len(crowd.statuses) < 5
    assert crowd.leave() == [200] * 6


def test_json_that_arrives_past_its_deadline_does_not_wait_for_the_preparation(start_stub, crowd):
    service = start_stub("--prepare-threads=1")
    behind_one_that_hangs(service, crowd, others=0)
    begin = head(service, ["Content-Type: application/json", "Content-Length: 2", "X-Request-Timeout-Ms: 50"], path="/v1/compare")
    with service.connect() as connection:
        connection.sendall(begin)
        time.sleep(0.1)
        connection.sendall(b"{}")
        arrived = time.monotonic()
        assert read_answer(connection).json["code"] == "deadline_exceeded"
        assert time.monotonic() - arrived < 2  # of the three seconds


def memory(service, name):
    lines = pathlib.Path(f"/proc/{service.process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s*(\d+) kB", lines)[1]) * 1024


def test_json_whose_deadline_passes_while_it_waits_is_not_parsed(start_stub, crowd):
    service = start_stub("--prepare-threads=1")
    behind_one_that_hangs(service, crowd, others=0)
    late = Crowd()
    late.send(service.verify_json, b'{"image1": "' + b"A" * (12 * MIB) + b'"}', X_Request_Timeout_Ms=1000)
    service.await_metric('facepair_queue_length{queue="prepare"} 2')
    before = memory(service, "VmHWM")  # the body is there
    assert late.leave() == [504]
    assert memory(service, "VmHWM") - before < 6 * MIB


def in_a_hurry(service, *lines):
    """A comparison of nothing, which is refused (400), by a client that waits 0.2 s."""
    return head(service, ["Content-Type: application/json", "Content-Length: 2", "X-Request-Timeout-Ms: 200", *lines],
                path="/v1/compare") + b"{}"


def test_a_callers_time_runs_from_the_first_byte_of_the_request_line(stub):
    assert hesitating(stub, in_a_hurry(stub)) == [400, 504, 400, 504]


def test_the_time_of_a_request_sent_behind_another_runs_from_that_ones_answer(start_stub):
    service = start_stub(FACEPAIR_STUB_BATCH_US="400000")
    body, content_type = multipart(PAIR)
    first = head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]) + body
    with service.connect() as connection:
        connection.sendall(first + in_a_hurry(service, "Connection: close"))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"400"]


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what is freed for a while")
def test_reading_json_takes_no_more_memory_than_was_set_aside_for_it(start_stub):
    service = start_stub("--prepare-threads=1")
    assert service.verify(PAIR).status == 200  # what is made once is made
    before, size = memory(service, "VmHWM"), (8 << 20) + 4  # just past what a buffer that doubles had before
    assert service.verify_json(b'{"image1": "' + b"A" * size + b'"}').status == 400
    assert memory(service, "VmHWM") - before < 4 * size + 6 * MIB


def test_json_is_set_aside_what_reading_it_takes_and_holds_less_afterwards(start_stub, crowd):
    service = start_stub("--prepare-threads=1", "--bodies-bytes=4000000")
    assert asked_before_the_body(service, content_type="application/json", size=1_000_000) is None
    assert asked_before_the_body(service, content_type="application/json", size=1_000_001).json["code"] == "overloaded"
    crowd.send(service.verify_json, {"image1": encoded(b"STUB:hang" + bytes(660_000)), "image2": encoded(b"second")})
    wait_until(lambda: asked_before_the_body(service, content_type="application/json", size=500_000) is None)
    assert crowd.statuses == []  # it was read, and its files are still there
    assert crowd.leave() == [200]


def test_bodies_may_take_a_share_of_the_memory_granted(start_stub, stub):
    most = stub.get("/v1/info").json["limits"]["bodies_bytes_max"]
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 4 * 29 * MIB <= most <= max(machine // 8, 4 * 29 * MIB)
    configured = start_stub("--bodies-bytes=123456789")
    assert configured.get("/v1/info").json["limits"]["bodies_bytes_max"] == 123456789
