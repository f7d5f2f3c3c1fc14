"""A disk thread that waits for the store, and the queue in front of it full."""
import contextlib
import sqlite3
import threading
import time

CANCEL, ASKERS = "/admin/v1/fine-tunes/ft_0192f0c1-7d2e-7000-8000-000000000000/cancel", 24
WAIT_S = 5  # after which a writer of the store no longer waits for another


@contextlib.contextmanager
def full(service, data, **headers):
    """headers: of one who may ask for jobs and metrics. Holds for WAIT_S."""
    def ask():
        service.request("POST", CANCEL, "", {"Content-Type": "application/json"} | headers, service.admin_port)

    def is_full():
        return b'facepair_queue_length{queue="disk"} 16\n' in service.get("/metrics", service.admin_port, **headers).body

    holder = sqlite3.connect(data / "store.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    askers = [threading.Thread(target=ask) for _ in range(ASKERS)]
    try:
        for asker in askers:
            asker.start()
        end = time.monotonic() + WAIT_S
        while not is_full():
            assert time.monotonic() < end
        yield
    finally:
        holder.execute("ROLLBACK")
        for asker in askers:
            asker.join()
