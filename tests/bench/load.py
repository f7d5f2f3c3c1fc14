"""What the benches over HTTP share: request bodies, a server to send them to, and wrk to send them with."""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

TREE = pathlib.Path(__file__).resolve().parents[2]
BOUNDARY = "facepair-bench-boundary"
STUB_IMAGE_BYTES = 20_000  # two of them: a body of 40 KB
SIDE_LEAST = 16  # of a network's input (model/card.c)


def pairs_of_lfw(folder, count):
    """The first, every second and so on of pairsDevTrain.txt, so that matched and mismatched pairs come alike."""
    lines = (folder / "pairsDevTrain.txt").read_text().splitlines()[1:]
    images = folder / "lfw-deepfunneled"

    def image(name, number):
        return images / name / f"{name}_{int(number):04d}.jpg"

    pairs = []
    for line in lines[:: max(1, len(lines) // count)][:count]:
        words = line.split()
        second = words[1:3] if len(words) == 3 else words[2:4]
        name = words[0] if len(words) == 3 else words[2]
        pairs.append((image(words[0], words[1]), image(name, second[-1])))
    return pairs


def pairs_of_photos():
    photos = TREE / "examples" / "photos"
    names = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png"]
    return [(photos / a, photos / b) for i, a in enumerate(names) for b in names[i + 1 :]]


def bench_pairs(count):
    """(pairs, what they are): of LFW when FACEPAIR_LFW names its folder, else of examples/photos."""
    lfw = os.environ.get("FACEPAIR_LFW")
    if lfw:
        return pairs_of_lfw(pathlib.Path(lfw), count), "LFW pairs, 250x250"
    return pairs_of_photos(), "pairs of examples/photos (set FACEPAIR_LFW for LFW's)"


def multipart(fields, files):
    """A multipart/form-data body with the boundary BOUNDARY; files: (field, path or bytes)."""
    parts = []
    for name, value in fields:
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for name, content in files:
        data = content if isinstance(content, bytes) else content.read_bytes()
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.jpg"\r\n'
        parts.append(head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + data + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def write_bodies(folder, bodies):
    folder.mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(bodies, 1):
        (folder / f"{number}.body").write_bytes(body)
    return len(bodies)


def write_stub_body(folder):
    """Random bytes, as a compressed photograph's are: they have their share of what a boundary begins with."""
    bodies = pathlib.Path(folder) / "stub"
    photograph = b"\xff\xd8\xff" + random.Random(1).randbytes(STUB_IMAGE_BYTES - 3)
    write_bodies(bodies, [multipart([], [("image1", photograph), ("image2", photograph)])])
    return bodies


def post(url, body):
    """(status, body of the answer); used to see once that the bodies are answered as they should be."""
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def wrk(url, folder, count, clients, seconds, threads=1):
    """Posts the bodies of a folder in turn, each client as fast as it is answered.

    Returns {"rate": answers/s, "p50": ms, "p99": ms, "answers": n, "faults": n}; faults are answers other than 2xx, and
    connections that broke.
    """
    script = TREE / "tests" / "bench" / "post.lua"
    command = ["wrk", "-t", str(threads), "-c", str(clients), "-d", f"{seconds}s", "--timeout", "60s", "-s", str(script)]
    done = subprocess.run(command + [url, "--", str(folder), str(count), BOUNDARY], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process for the length of a `with` block; ready_path must answer 200 before it begins."""

    def __init__(self, command, url, ready_path, env=None, ready_s=60):
        self.command, self.url, self.ready_path = command, url, ready_path
        self.env, self.ready_s = env, ready_s

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=self.env, stdout=self.log, stderr=self.log, start_new_session=True, cwd=TREE
        )
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() - started > self.ready_s:
                raise SystemExit(f"{self.command[0]} does not serve:\n{self.tail()}")
            time.sleep(0.005)
        self.ready_after_s = time.monotonic() - started
        return self

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + self.ready_path, timeout=5) as response:
                return response.status == 200
        except OSError:
            return False

    def cpu_s(self):
        """Processor time of the process so far, all its threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def tail(self):
        self.log.seek(0)
        return self.log.read()[-2000:].decode(errors="replace")

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


def small_model(folder):
    """Makes a data directory with the model of ours, but with an input of SIDE_LEAST: a chip of the real size is 270 KB,
    and for a server without a network filling and wiping two of them would be most of its work."""
    version = folder / "models" / "dlib-resnet" / "1"
    version.mkdir(parents=True)
    real = TREE / "data" / "models" / "dlib-resnet"
    card = json.loads((real / "1" / "model.json").read_text())
    card["input"]["side"] = SIDE_LEAST
    (version / "model.json").write_text(json.dumps(card))
    (version.parent / "active").write_text("1\n")
    for name in ("weights.safetensors", "evaluation.json"):
        shutil.copy(real / "1" / name, version / name)
    (folder / "face").symlink_to(TREE / "data" / "face")
    return folder


def facepair(build, program="facepair", data=TREE / "data", options=()):
    """Our server on free ports. It logs warnings only: a bench measures no terminal."""
    url, admin = f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    command = [str(build / program), "serve", "--listen", url[7:], "--admin-listen", admin]
    return Server(command + ["--data", str(data), "--log-level", "warn", *options], url, "/readyz")
