"""Nothing of a request outlives it: after the answers the program's whole writable memory is searched for what was sent and told."""
import io
import os
import resource
import signal
import struct
import subprocess
import time

import pytest
from PIL import Image
from service import DATA, PROGRAM, STUB, Service, clean_environment, encoded, photo

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that is not dumpable")

ROUNDS = 8  # so that each thread has had each kind of work


def png(name, side):
    image = Image.open(io.BytesIO(photo(name))).convert("RGB")
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


OBAMA, BIDEN = photo("obama.jpg"), photo("biden.jpg")
SMALL = png("obama2.jpg", 400)  # looked at as it is, so that its grey pixels are known


def telling(data, size):
    """Some slices that nothing else in memory would have: of many different values."""
    found = [data[at:at + size] for at in range(len(data) // 9, len(data) - size, len(data) // 9)]
    return [slice for slice in found if len(set(slice)) > size // 2]


def of_photograph(data):
    pixels = Image.open(io.BytesIO(data)).convert("RGB").tobytes()
    grey = bytes(sum(pixels[at:at + 3]) // 3 for at in range(0, len(pixels), 3))
    return {"file": telling(data, 32), "base64": telling(encoded(data).encode(), 32), "pixels": telling(pixels, 48),
            "grey pixels": telling(grey, 32)}


def of_embedding(values):
    packed = [struct.pack("<4f", *values[at:at + 4]) for at in range(0, len(values), 16)]
    return {"embedding": packed, "embedding as text": [", ".join(f"{value:.9g}" for value in values[8:10]).encode(),
                                                       ",".join(f"{value:.9g}" for value in values[8:10]).encode()]}


def writable_memory(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            place, rights, *rest = line.split()
            if "w" in rights and not rest[-1].startswith("[v"):
                begin, end = (int(address, 16) for address in place.split("-"))
                memory.seek(begin)
                yield memory.read(end - begin)


def found_in(service, needles):
    time.sleep(0.5)  # the last connection is closed by then
    blocks = list(writable_memory(service.process.pid))
    return [(name, slice) for name, slices in needles.items() for slice in slices if any(slice in block for block in blocks)]


@pytest.fixture(scope="module")
def embedding(real_raw):
    return real_raw.embed(OBAMA, raw="true")[0]["embedding"]


@pytest.fixture
def service():
    running = Service(PROGRAM, DATA, "--allow-raw-embeddings", "--no-trainer")
    yield running
    assert running.stop() == 0


def test_the_search_finds_what_is_there(service):
    """Or the tests below could not fail: the photographs of a request whose end is awaited are in memory."""
    with service.connect() as connection:
        connection.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                           b"Content-Length: 9000000\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"image1\"\r\n\r\n" + OBAMA)
        assert "file" in dict(found_in(service, of_photograph(OBAMA)))


def test_nothing_of_a_form_is_left(service, embedding):
    for _ in range(ROUNDS):
        assert service.verify([("image1", OBAMA), ("image2", SMALL)]).status == 200
    assert found_in(service, of_photograph(OBAMA) | of_embedding(embedding)) == []
    assert found_in(service, of_photograph(SMALL)) == []


def test_nothing_of_a_json_body_is_left(service, embedding):
    for _ in range(ROUNDS):
        assert service.verify_json({"image1": encoded(OBAMA), "image2": encoded(SMALL)}).status == 200
    assert found_in(service, of_photograph(OBAMA) | of_embedding(embedding)) == []
    assert found_in(service, of_photograph(SMALL)) == []


def test_nothing_of_told_and_compared_embeddings_is_left(service, embedding):
    for _ in range(ROUNDS):
        service.embed(OBAMA, SMALL, raw="true")
        assert service.compare(embedding, embedding[::-1], model="dlib-resnet").status in (200, 422)
    assert found_in(service, of_photograph(OBAMA) | of_embedding(embedding)) == []


def test_nothing_of_a_request_whose_client_left_is_left(service, embedding):
    for _ in range(ROUNDS):
        with service.connect() as connection:
            connection.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                               b"Content-Length: 9000000\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"image1\"\r\n\r\n" + OBAMA)
    assert found_in(service, of_photograph(OBAMA) | of_embedding(embedding)) == []


def writes_a_core(folder, *options):
    """Whether the kernel says that a stub service which crashes has left a core."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    process = subprocess.Popen([STUB, "serve", "--data", DATA, "--no-trainer", "--listen", "127.0.0.1:0", "--admin-listen", "off",
                                *options], stderr=subprocess.PIPE, cwd=folder, env=clean_environment(),
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unlimited))
    while b'"ready"' not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGSEGV)
    process.stderr.read()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = 0  # it has been waited for
    return os.WCOREDUMP(status)


def test_no_core_is_written(tmp_path):
    if not writes_a_core(tmp_path, "--core-dumps"):
        pytest.skip("this kernel writes no cores at all")
    assert not writes_a_core(tmp_path)
