"""A worker that hangs shows at /livez, so that what watches the process starts it anew; load never does."""
import re
import sqlite3
import threading
import time

import pytest
import service as under_test

PAIR = [("image1", b"first"), ("image2", b"second")]


def in_background(call, *arguments):
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    return thread


@pytest.mark.parametrize("photograph, cause", [(b"STUB:hang", "a preparation hangs"), (b"STUB:network_hang", "the network hangs")])
def test_a_worker_that_hangs_is_not_live_until_it_moves_again(start_stub, photograph, cause):
    service = start_stub("--hang-seconds=0.5")
    assert service.get("/livez").status == 200
    stuck = in_background(service.verify, [("image1", photograph), ("image2", b"second")])
    while (answer := service.get("/livez")).status == 200:
        pass
    assert (answer.status, answer.json["code"]) == (500, "internal")
    service.event("internal_error", detail=cause)
    assert service.get("/readyz").status == 200  # that is for balancers, and says nothing of this
    stuck.join()
    assert service.get("/livez").status == 200


def test_a_disk_that_hangs_under_the_counts_is_not_live(start_stub, tmp_path):
    data = under_test.write_stub_data(tmp_path / "data", dlib_resnet={})
    service = start_stub("--hang-seconds=0.5", "--no-trainer", data=data)
    holder = sqlite3.connect(data / "subjects.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    stuck = in_background(service.verify, [*PAIR, ("subject", "alice")])
    end = time.monotonic() + 4  # then it no longer waits for the file
    while (answer := service.get("/livez")).status == 200:
        assert time.monotonic() < end
    assert (answer.status, answer.json["code"]) == (500, "internal")
    service.event("internal_error", detail="the counting of refusals hangs")
    holder.execute("ROLLBACK")
    stuck.join()
    assert service.get("/livez").status == 200
    assert service.verify([*PAIR, ("subject", "alice")]).status == 200


def busy_s(service):
    """How long the network has worked so far."""
    metrics = service.get("/metrics", service.admin_port).body
    found = re.search(rb"\nfacepair_worker_busy_seconds_total\{[^}]*\} (.*)\n", metrics)
    return float(found[1]) if found else 0


def test_load_is_no_hang(start_stub):
    """The network works for twice as long as a batch may take. That is many times what one takes, which neighbours may hold up."""
    service = start_stub("--hang-seconds=3", FACEPAIR_STUB_BATCH_US="200000")
    enough = threading.Event()

    def ask():
        while not enough.is_set():
            service.verify(PAIR)

    clients = [in_background(ask) for _ in range(16)]
    try:
        while busy_s(service) < 6:
            assert service.get("/livez").status == 200
            time.sleep(0.01)
    finally:
        enough.set()
        for client in clients:
            client.join()


def test_a_network_that_fails_costs_its_batch_alone_and_is_counted(start_stub):
    service = start_stub()
    assert service.verify([("image1", b"STUB:network_fails"), ("image2", b"second")]).status == 500
    assert service.verify(PAIR).status == 200
    assert b'facepair_rejected_total{reason="network_failed"} 1\n' in service.get("/metrics", service.admin_port).body
