"""The program under test as a process, and ways to talk to it: a plain client, and raw bytes."""
import base64
import contextlib
import dataclasses
import hashlib
import http.client
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import threading
import time
import uuid

import races

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FACEPAIR_BUILD", TREE / "build"))
# Of another build, where this one's is not wanted: setup/tsan.
PROGRAM = pathlib.Path(os.environ.get("FACEPAIR_PROGRAM", BUILD / "facepair"))
STUB = BUILD / "tests" / "facepair-stub"
DATA = pathlib.Path(os.environ.get("FACEPAIR_DATA", TREE / "data"))
PHOTOS = TREE / "examples" / "photos"


def is_sanitized(program):
    return any(start in program.read_bytes() for start in (b"__asan_init", b"__tsan_init"))


SANITIZED = STUB.exists() and is_sanitized(STUB)
# Options of strace, under which a sanitizer's check for leaks does not work.
LEAKS_UNCHECKED = ["-E", "ASAN_OPTIONS=detect_leaks=0"]
# No test waits longer for anything: generous, for sanitizer builds on a busy machine.
PATIENCE_S = int(os.environ.get("FACEPAIR_PATIENCE_S", "60"))


def clean_environment():
    """Without the options that the user of the test suite may have set."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FACEPAIR_")}


def wait_until(condition, patience=PATIENCE_S, what="it"):
    end = time.monotonic() + patience
    while not (met := condition()):
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.01)
    return met


@contextlib.contextmanager
def hanging(path):
    """The stub hangs where it opens the file, until the end."""
    flag = path.with_name(path.name + ".hangs")
    flag.touch()
    try:
        yield
    finally:
        flag.unlink(missing_ok=True)


class Service:
    """`facepair serve` on free ports. stop() ends it and returns its exit code. before: the program's own arguments;
    starting: called with it while it starts."""

    def __init__(self, program, data, *options, environment=None, before=(), starting=None):
        ports = {"FACEPAIR_LISTEN": "127.0.0.1:0", "FACEPAIR_ADMIN_LISTEN": "127.0.0.1:0"}  # an option wins over them
        self.process = subprocess.Popen([program, *before, "serve", "--data", data, *options], stderr=subprocess.PIPE,
                                        env=clean_environment() | ports | (environment or {}))
        self.log = []
        self._ready = queue.Queue()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if starting:
            starting(self)
        ready = self._ready.get(timeout=PATIENCE_S)
        assert ready, f"the service did not start: {self.log}"
        self.port = int(ready["listen"].rsplit(":", 1)[1]) if ready["listen"] else None
        self.admin_port = int(ready["admin"].rsplit(":", 1)[1]) if ready["admin"] else None
        self.metrics_port = int(ready["metrics"].rsplit(":", 1)[1]) if ready["metrics"] else None

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.decode())
            races.look(line, self.log)
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == "ready":
                self._ready.put(event)
        self._ready.put(None)

    def event(self, name, **members):
        """Waits for the log line with these members; it may come a little after the answer."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for event in map(json.loads, list(self.log)):
                if event["event"] == name and members.items() <= event.items():
                    return event
            time.sleep(0.01)
        raise AssertionError(f"no {name} with {members} in the log")

    def await_metric(self, line):
        """Waits until /metrics has this line; of requests in flight, the one that asks is one."""
        wait_until(lambda: b"\n" + line.encode() + b"\n" in self.get("/metrics", self.admin_port).body, what=line)

    def request(self, method, path, body=None, headers=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer.of(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, port=None, **headers):
        return self.request("GET", path, headers=headers, port=port)

    def post_form(self, path, parts, **headers):
        body, content_type = multipart(parts)
        return self.request("POST", path, body, {"Content-Type": content_type} | dashed(headers))

    def post_json(self, path, members, **headers):
        body = members if isinstance(members, (bytes, str)) else json.dumps(members)
        return self.request("POST", path, body, {"Content-Type": "application/json"} | dashed(headers))

    def verify(self, parts, path="/v1/verify", **headers):
        return self.post_form(path, parts, **headers)

    def verify_json(self, members, **headers):
        return self.post_json("/v1/verify", members, **headers)

    def embed(self, *photographs, **options):
        """The data of the answer: photographs are image1, image2, …"""
        parts = [(f"image{i}", data) for i, data in enumerate(photographs, 1)]
        answer = self.post_form("/v1/embeddings", parts + [(name, str(value)) for name, value in options.items()])
        assert answer.status == 200, answer.body
        return answer.json["data"]

    def compare(self, first, second, **options):
        return self.post_json("/v1/compare", {"embedding1": first, "embedding2": second} | options)

    def raw(self, data, port=None):
        """Sends the bytes as they are and returns the answers on the connection until it is closed or silent."""
        with self.connect(port) as connection:
            connection.sendall(data)
            return read_answers(connection)

    def connect(self, port=None):
        return socket.create_connection(("127.0.0.1", port or self.port), timeout=PATIENCE_S)

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        code = self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        races.none()
        return code

    def stop(self):
        if self.process.poll() is None:
            self.signal()
        return self.wait()


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @classmethod
    def of(cls, response):
        return cls(response.status, response.headers, response.read())

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        return self.headers["Content-Type"]

    @property
    def codes(self):
        """[(code, field)] of a problem document"""
        return [(error["code"], error.get("field")) for error in self.json["errors"]]


class _Bytes:
    """http.client wants a socket that makes a file."""

    def __init__(self, file):
        self.file = file

    def makefile(self, *_):
        return self.file


def read_answer(connection, method="POST"):
    """One answer from an open connection; bytes of the next one may be lost."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return Answer.of(response)


def read_answers(connection, method="POST"):
    """All answers until the server closes; a server that keeps the connection is asked to close by half-closing it."""
    connection.settimeout(PATIENCE_S)
    file = connection.makefile("rb")
    answers = []
    while True:
        response = http.client.HTTPResponse(_Bytes(_KeepOpen(file)), method=method)
        try:
            response.begin()
        except (http.client.BadStatusLine, ConnectionError):
            return answers
        answers.append(Answer.of(response))
        if response.will_close:
            return answers
        connection.shutdown(socket.SHUT_WR)


def answers_past_the_deadline(service, begun, rest):
    """The 408 of a service with --body-ms=200 to `begun`, and what it answers to `rest` just after that time.

    Ten times a second it looks at all deadlines; where that comes before the rest does, it can only close the connection,
    and the request is sent again; so it is where the service, on a busy machine, read the beginning so late that the rest
    is in time.
    """
    for _ in range(20):
        with service.connect() as connection:
            try:
                connection.sendall(begun)
                time.sleep(0.21)
                connection.sendall(rest)
                answers = read_answers(connection)
            except ConnectionError:
                continue
        if answers and answers[0].status == 408:
            return answers
    raise AssertionError("no late body was answered with 408")


def hesitating(service, request):
    """The statuses of this request when its first line comes in one piece, in two with a pause between, and once more."""
    statuses = []
    with service.connect() as connection:
        for pause in (0, 0.5, 0):
            time.sleep(0.5)  # nothing is asked yet, or any more
            connection.sendall(request[:9])
            time.sleep(pause)
            connection.sendall(request[9:])
            statuses.append(read_answer(connection).status)
    with service.connect() as connection:
        connection.sendall(request[:9])
        time.sleep(0.5)
        connection.sendall(request[9:])
        statuses.append(read_answer(connection).status)
    return statuses


class _KeepOpen:
    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def close(self):
        pass


def dashed(headers):
    return {name.replace("_", "-"): str(value) for name, value in headers.items()}


def multipart(parts):
    """[(name, bytes or str)] -> body, content type. A part of bytes is sent as a file."""
    boundary = uuid.uuid4().hex
    body = b""
    for name, value in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if isinstance(value, bytes):
            body += b'; filename="photo"\r\nContent-Type: application/octet-stream'
        body += b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def head(service, lines, method="POST", path="/v1/verify"):
    """A request's header as bytes, with a Host."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{service.port}", *lines, "", ""]).encode()


def encoded(data):
    return base64.b64encode(data).decode()


def photo(name):
    return (PHOTOS / name).read_bytes()


def write_stub_data(directory, **cards):
    """A data directory for the stub: one model a keyword; its value changes the card."""
    (directory / "face").mkdir(parents=True)
    for name, changes in cards.items():
        name = name.replace("_", "-")
        version = directory / "models" / name / "1"
        version.mkdir(parents=True)
        (version.parent / "active").write_text("1\n")
        weights = b"stub weights of " + name.encode()
        (version / "weights.safetensors").write_bytes(weights)
        card = {
            "format": 1, "name": name, "version": "1", "architecture": "dlib-resnet", "description": "a stub",
            "license": "CC0-1.0", "source": {},
            "input": {"kind": "chip", "side": 150, "padding": 0.25, "mean": [122.782, 117.001, 104.298],
                      "std": [256, 256, 256]},
            "embedding": {"length": 128, "distance": "euclidean"},
            "weights": {"file": "weights.safetensors", "sha256": hashlib.sha256(weights).hexdigest()},
            "thresholds": {"source": "made up", "values": [{"fmr": 0.01, "threshold": 0.618, "fnmr": None},
                                                           {"fmr": 0.001, "threshold": 0.544, "fnmr": None},
                                                           {"fmr": 0.0001, "threshold": 0.4755, "fnmr": 0.32}]},
            "probability": None,
        } | changes
        (version / "model.json").write_text(json.dumps(card))
    return directory
