"""What the programs of this folder share that flood a service: the service, its requests, the generator, and what is printed."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "bench"), str(TESTS / "http")]
import load
import races
from service import is_sanitized

PATIENCE_S = 60


class Flooded:
    """A service for the length of a `with` block: the stub with a network of face_us a face and batch_us a batch, or, with
    `real`, the program on the default model."""

    def __init__(self, build, *options, real=False, face_us=0, batch_us=0):
        self.build, self.real = pathlib.Path(build), real
        self.port, self.admin_port = load.free_port(), load.free_port()
        self.options = [f"--listen=127.0.0.1:{self.port}", "--log-level=warn", *options]
        if not any(option.startswith("--role") for option in options):
            self.options.append(f"--admin-listen=127.0.0.1:{self.admin_port}")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("FACEPAIR_")}
        self.environment |= {"FACEPAIR_STUB_FACE_US": str(face_us), "FACEPAIR_STUB_BATCH_US": str(batch_us)}

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        data = load.TREE / "data" if self.real else load.small_model(pathlib.Path(self.folder.name))
        program = self.build / ("facepair" if self.real else "tests/facepair-stub")
        self.sanitized = is_sanitized(program)
        self.log = tempfile.TemporaryFile()
        self.command = [str(program), "serve", "--data", str(data), *self.options]
        self.start()
        return self

    def start(self):
        self.process = subprocess.Popen(self.command, env=self.environment, stderr=self.log)
        end = time.monotonic() + PATIENCE_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{self.command[0]} does not serve:\n{self.tail()}")
            time.sleep(0.02)

    def is_ready(self):
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def get(self, path, port=None):
        with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=PATIENCE_S) as response:
            return response.status, response.read()

    def metric(self, series):
        """The value of a series, 0 when there is none."""
        for line in self.get("/metrics", self.admin_port)[1].decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name == series:
                return float(value)
        return 0

    def resident_bytes(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def flood(self, sent, seconds, connections, port=None, **more):
        """What flood.c tells; more: rate, requests (how many)."""
        command = [str(self.build / "tests/load/flood"), f"--port={port or self.port}", f"--seconds={seconds}",
                   f"--connections={connections}"]
        command += [f"--{name}={value}" for name, value in more.items()]
        with tempfile.TemporaryDirectory() as folder:
            for number, request in enumerate(sent):
                path = pathlib.Path(folder) / str(number)
                path.write_bytes(request)
                command += ["--request", str(path)]
            return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def tail(self):
        self.log.seek(0)
        return self.log.read()[-2000:].decode(errors="replace")

    def stop(self):
        """The exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.seek(0)
        with self.log:
            races.refuse(self.log.read().decode(errors="replace"))
        self.folder.cleanup()


def request(body, content_type=f"multipart/form-data; boundary={load.BOUNDARY}", path="/v1/verify"):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def requests(real, size=20000):
    """Whole requests: pairs of photographs for the program, pairs of `size` bytes each for the stub."""
    if real:
        return [request(load.multipart([], [("image1", a), ("image2", b)])) for a, b in load.bench_pairs(40)[0]]
    return [request(load.multipart([], [("image1", bytes([i]) * size), ("image2", bytes([i + 1]) * size)])) for i in range(8)]


class Sampled:
    """Resident size and descriptors of a service, every so often, while a `with` block runs."""

    def __init__(self, service, every_s=1.0):
        self.service, self.every_s = service, every_s
        self.samples = []  # (s since the beginning, bytes, descriptors)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        began = time.monotonic()
        while not self.ended.wait(self.every_s):
            with contextlib.suppress(OSError):
                self.samples.append((time.monotonic() - began, self.service.resident_bytes(), self.service.descriptors()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


class Bars:
    """Figures beside what they must keep to; those of time count only where `timed`, none that is not `judged`."""

    def __init__(self, timed):
        self.timed, self.failed = timed, False

    def say(self, what, figure, bar, kept, timed=False, judged=True):
        counts = judged and (self.timed or not timed)
        self.failed |= counts and not kept
        print(f"{what:<58} {figure:>16}   {bar:<24} {'kept' if kept else 'MISSED' if counts else '(not judged)'}", flush=True)

    def exit(self):
        sys.exit(1 if self.failed else 0)
