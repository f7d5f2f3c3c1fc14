"""Jobs in a store without the admin API: asked for by tests/store_tool, looked at with SQLite itself."""
import json
import pathlib
import signal
import sqlite3
import subprocess
import threading

import races
from service import BUILD, PATIENCE_S, STUB, clean_environment, wait_until

FINAL = ("succeeded", "failed", "cancelled")
WAYS = {
    None: {"queued"},
    "queued": {"running", "cancelling"},
    "running": {"evaluating", "failed", "cancelling", "paused", "queued"},
    "evaluating": {"succeeded", "failed", "cancelling", "queued"},
    "paused": {"queued"},
    "cancelling": {"cancelled", "succeeded", "failed"},
}
ATTEMPTS_MAX = 3


class Jobs:
    """Of a data directory."""

    def __init__(self, data):
        self.data = pathlib.Path(data)

    def create(self, epochs=3, step_ms=2, base="dlib-resnet", **changes):
        """A job for the stub, which takes ten steps an epoch (tests/stub_finetune.c)."""
        hyperparameters = {"epochs": epochs, "batch_size": max(step_ms, 2)} | changes.pop("hyperparameters", {})
        spec = {"base_model": base, "dataset": "people", "hyperparameters": hyperparameters} | changes
        return self._tool("create", base, "1", json.dumps(spec))

    def ask(self, what, job):
        return self._tool(what, job)

    def _tool(self, *arguments):
        done = subprocess.run([BUILD / "tests" / "store_tool", self.data, *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.strip()

    def rows(self, sql, *values):
        store = sqlite3.connect(f"file:{self.data}/store.sqlite?mode=ro", uri=True, timeout=PATIENCE_S)
        store.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in store.execute(sql, values)]
        finally:
            store.close()

    def get(self, job):
        return self.rows("SELECT * FROM jobs WHERE id = ?", job)[0]

    def losses(self, job):
        return [(row["train"], row["validation"]) for row in self.rows(
            "SELECT train, validation FROM losses JOIN jobs ON job = sequence WHERE id = ? ORDER BY losses.epoch", job)]

    def events(self, job, kind=None):
        rows = self.rows("SELECT number, type, data FROM events JOIN jobs ON job = sequence WHERE id = ? ORDER BY number", job)
        return [json.loads(row["data"]) | {"number": row["number"], "type": row["type"]} for row in rows
                if kind in (None, row["type"])]

    def wait(self, job, *states, patience=PATIENCE_S):
        """Until the job is in one of the states (default: a final one)."""
        return wait_until(lambda: (row := self.get(job))["state"] in (states or FINAL) and row, patience)

    def check_history(self, job):
        """Every way that was taken is in the table, numbers have no gap, attempts rise by lost leases alone."""
        last, attempt = None, 1
        events = self.events(job)
        assert [event["number"] for event in events] == list(range(1, len(events) + 1))
        for event in events:
            if event["type"] != "state":
                assert last in ("running", "evaluating", "cancelling"), f"{event} while {last}"
                continue
            assert event["status"] in WAYS[last], f"{last} -> {event['status']}"
            assert event["attempt"] - attempt in (0, 1) and event["attempt"] <= ATTEMPTS_MAX
            assert event["attempt"] == attempt or event["status"] == "queued"
            last, attempt = event["status"], event["attempt"]
        row = self.get(job)
        assert (row["state"], row["attempt"]) == (last, attempt)
        return row


class Trainer:
    """`facepair trainer` without a service around it."""

    def __init__(self, data, *options, program=STUB):
        self.process = subprocess.Popen([program, "trainer", "--data", data, *(() if "--idle-ms" in options else ("--idle-ms", "20")), *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment())
        self.told, self.log = [], []
        self._readers = [threading.Thread(target=self._read, args=(stream, lines), daemon=True)
                         for stream, lines in ((self.process.stdout, self.told), (self.process.stderr, self.log))]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(json.loads(line) if line.startswith(b"{") else line.decode())
            races.look(line, lines)

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        code = self.process.wait(timeout=PATIENCE_S)
        for reader in self._readers:
            reader.join(timeout=PATIENCE_S)
        races.none()
        return code

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.send(number)
        return self.wait()


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def trainer_of(service):
    """The process id of a service's trainer, once that runs the program: before, it is the service's own copy, which waits for it."""
    children = pathlib.Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
    return int(wait_until(lambda: [pid for pid in children.read_text().split() if "--runner" in command_line(pid)])[0])


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may also go between opening and reading
        return False
