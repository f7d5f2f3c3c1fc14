"""Nothing of a request outlives it: after the answers the program's whole writable memory is searched for what was sent and told."""
import io
import os
import re
import resource
import shutil
import signal
import ssl
import struct
import subprocess
import time

import pytest
from certificates import Authority, TlsService, trusting
from PIL import Image
from service import (BUILD, DATA, LEAKS_UNCHECKED, PROGRAM, SANITIZED, STUB, Service, clean_environment, encoded, head, multipart,
                     photo, read_answer, write_stub_data)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that is not dumpable")

ROUNDS = 8  # so that each thread has had each kind of work


def png(name, side):
    image = Image.open(io.BytesIO(photo(name))).convert("RGB")
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def doubled(name):
    image = Image.open(io.BytesIO(photo(name)))
    out = io.BytesIO()
    image.resize((image.width * 2, image.height * 2), Image.BICUBIC).save(out, "JPEG", quality=92)
    return out.getvalue()


OBAMA, BIDEN = photo("obama.jpg"), photo("biden.jpg")
LARGE = doubled("obama3.jpg")  # decoded at half its size
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


def of_steps(data, folder):
    """What the server makes of a photograph on its way to the network."""
    file = folder / "photograph"
    file.write_bytes(data)
    told, at, blocks = subprocess.run([BUILD / "tests/photo_seen", DATA, file], capture_output=True, check=True).stdout, 0, []
    while at < len(told):
        size = int.from_bytes(told[at:at + 8], "little")
        blocks.append(told[at + 8:at + 8 + size])
        at += 8 + size
    decoded, chip, tensor = blocks
    assert len(decoded) < len(Image.open(file).convert("RGB").tobytes()) / 3
    return {"decoded at half size": telling(decoded, 48), "chip": telling(chip, 48), "network's input": telling(tensor, 64)}


def of_embedding(values):
    packed = [struct.pack("<4f", *values[at:at + 4]) for at in range(0, len(values), 16)]
    return {"embedding": packed, "embedding as text": [", ".join(f"{value:.9g}" for value in values[8:10]).encode(),
                                                       ",".join(f"{value:.9g}" for value in values[8:10]).encode()]}


CHUNK = 65536


def without_empty_chunks(block):
    """Most of it was never touched, and need not be searched."""
    chunks = (block[at:at + CHUNK] for at in range(0, len(block), CHUNK))
    return b"".join(chunk for chunk in chunks if chunk.count(0) < len(chunk))


def writable_memory(pid):
    if SANITIZED:
        pytest.skip("a sanitizer keeps what is freed, and terabytes of notes on it")
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            place, rights, *rest = line.split()
            if "w" in rights and not rest[-1].startswith("[v"):
                begin, end = (int(address, 16) for address in place.split("-"))
                memory.seek(begin)
                yield without_empty_chunks(memory.read(end - begin))


def found_in(service, needles):
    time.sleep(0.5)  # the last connection is closed by then
    blocks = list(writable_memory(service.process.pid))
    return [(name, slice) for name, slices in needles.items() for slice in slices if any(slice in block for block in blocks)]


@pytest.fixture(scope="module")
def embedding(real_raw):
    return real_raw.embed(OBAMA, raw="true")[0]["embedding"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["plain", "TLS"])
def service(request, authority):
    options = ("--allow-raw-embeddings", "--no-trainer")
    if request.param == "plain":
        running = Service(PROGRAM, DATA, *options)
    else:
        running = TlsService(PROGRAM, DATA, trusting(authority), authority.issue("server"), *options)
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


def test_nothing_of_the_steps_to_the_network_is_left(service, tmp_path):
    for _ in range(ROUNDS):
        assert service.verify([("image1", LARGE), ("image2", LARGE)]).status == 200
    assert found_in(service, of_photograph(LARGE) | of_steps(LARGE, tmp_path)) == []


def test_nothing_is_left_while_the_connection_is_kept(service, embedding):
    body, content_type = multipart([("image1", OBAMA), ("image2", SMALL)])
    with service.connect() as connection:
        for _ in range(ROUNDS):
            connection.sendall(head(service, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]) + body)
            assert read_answer(connection).status == 200
        assert found_in(service, of_photograph(OBAMA) | of_embedding(embedding) | of_photograph(SMALL)) == []


def test_nothing_of_a_token_is_left(service):
    for _ in range(ROUNDS):
        tokens = [item["token"] for item in service.embed(OBAMA, SMALL)]
        assert service.compare(*tokens).status == 200
    assert found_in(service, {"token": [slice for token in tokens for slice in telling(token.encode(), 24)]}) == []


DAMAGED = OBAMA[:len(OBAMA) // 2] + bytes(64) + OBAMA[len(OBAMA) // 2:]
REFUSED = {
    "cut off": lambda service: service.verify([("image1", OBAMA[:-3000]), ("image2", OBAMA)]),
    "damaged": lambda service: service.verify([("image1", DAMAGED[:-3000]), ("image2", b"no photograph" + OBAMA)]),
    "unknown field": lambda service: service.verify([("image1", OBAMA), ("image2", OBAMA), ("image3", OBAMA)]),
    "one missing": lambda service: service.verify([("image1", OBAMA)]),
    "no face": lambda service: service.verify([("image1", of_no_face()), ("image2", OBAMA)]),
    "part too large": lambda service: service.verify([("image1", OBAMA), ("image2", OBAMA * (11_000_000 // len(OBAMA)))]),
    "body too large": lambda service: service.verify([("image1", OBAMA)] + [("image2", OBAMA * (22_000_000 // len(OBAMA)))]),
    "no form": lambda service: service.request("POST", "/v1/verify", b"no boundary" + OBAMA,
                                               {"Content-Type": "multipart/form-data; boundary=x"}),
    "damaged JSON": lambda service: service.verify_json('{"image1": "' + encoded(OBAMA) + '", "image2": '),
    "damaged base64": lambda service: service.verify_json({"image1": encoded(OBAMA), "image2": encoded(OBAMA) + "!"}),
    "no time": lambda service: service.verify([("image1", OBAMA), ("image2", OBAMA)], X_Request_Timeout_Ms=10),
}


def of_no_face():
    out = io.BytesIO()
    Image.radial_gradient("L").resize((600, 600)).convert("RGB").save(out, "PNG")
    return out.getvalue()


def refuse(service, fault):
    try:
        assert REFUSED[fault](service).status >= 400
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        assert fault == "body too large"  # the answer came before the client had sent it all


def test_nothing_of_what_is_refused_is_left(service):
    for _ in range(3):
        for fault in REFUSED:
            refuse(service, fault)
    assert found_in(service, of_photograph(OBAMA)) == []


CALLS = "openat,open,creat,memfd_create,mmap,write,pwrite64,writev,pwritev,pwritev2,sendfile,splice,vmsplice,copy_file_range,tee"


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_no_file_is_opened_for_writing_mapped_for_writing_or_written(tmp_path, authority):
    """Between its start and its end: whatever the bytes are, they have nowhere to go but memory and sockets."""
    log = tmp_path / "calls"
    certificate = authority.issue("server")
    service = TlsService("strace", DATA, trusting(authority), certificate, "--role", "serve", "--lockout", "off",
                         before=[*LEAKS_UNCHECKED, "-D", "-f", "-y", "-o", log, "-e", f"trace={CALLS}", PROGRAM])
    calls_before = len(log.read_text().splitlines())
    for fault in REFUSED:
        refuse(service, fault)
    assert service.verify([("image1", OBAMA), ("image2", LARGE)]).status == 200
    assert service.verify_json({"image1": encoded(OBAMA), "image2": encoded(SMALL)}).status == 200
    tokens = [item["token"] for item in service.embed(OBAMA, SMALL)]
    assert service.compare(*tokens).status == 200
    calls = log.read_text().splitlines()[calls_before:]
    assert any("write(2<pipe:" in call for call in calls), "not even the log was seen"
    assert [call for call in calls if reaches_a_file(call)] == []
    assert service.stop() == 0


def reaches_a_file(call):
    if re.search(r"\b(open|openat|creat)\(", call):
        return bool(re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|\bcreat\(", call))
    if "mmap(" in call:
        return "PROT_WRITE" in call and "MAP_SHARED" in call and "MAP_ANONYMOUS" not in call
    written = re.search(r"\b(?:write|pwrite64|writev|pwritev2?)\(\d+<([^>]*)>", call)
    if written:
        return not re.match(r"(socket|TCP|UNIX|pipe|anon_inode|\[event)", written[1].lstrip(":")) and "eventfd" not in written[1]
    return bool(re.search(r"\b(memfd_create|sendfile|splice|vmsplice|copy_file_range|tee)\(", call))


@pytest.mark.parametrize("call, reaches", [
    ('7 openat(AT_FDCWD, "/tmp/spool", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3</tmp/spool>', True),
    ('7 openat(AT_FDCWD, "/proc/stat", O_RDONLY|O_CLOEXEC) = 3</proc/stat>', False),
    ('7 pwrite64(9</data/store.sqlite-wal>, "x", 1, 0) = 1', True), ('7 write(2<pipe:[12]>, "{", 1) = 1', False),
    ('7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 9</data/file>, 0) = 0x7f', True),
    ('7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f', False),
    ('7 memfd_create("spool", 0) = 3', True), ('7 writev(5<socket:[9]>, [{iov_base="x", iov_len=1}], 1) = 1', False)])
def test_the_trace_tells_files_from_what_is_none(call, reaches):
    assert reaches_a_file(call) == reaches


SERVICE = ("serve", "--data", DATA, "--no-trainer", "--listen", "127.0.0.1:0", "--admin-listen", "off",
           "--no-sandbox")  # which lets no core be written beside the data, whatever is allowed


def writes_a_core(folder, *arguments, begun=b'"ready"'):
    """Whether the kernel says that a stub which crashes, once it has told that it has begun, has left a core."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    process = subprocess.Popen([STUB, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder,
                               env=clean_environment(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unlimited))
    while begun not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGSEGV)
    process.stdout.read()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = 0  # it has been waited for
    return os.WCOREDUMP(status)


def test_no_core_is_written(tmp_path):
    if not writes_a_core(tmp_path, *SERVICE, "--core-dumps"):
        pytest.skip("this kernel writes no cores at all")
    assert not writes_a_core(tmp_path, *SERVICE)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's process may always be dumped")
def test_nor_by_the_trainer_which_decodes_whole_archives(tmp_path):
    trainer = ("trainer", "--data", write_stub_data(tmp_path / "data", dlib_resnet={}))
    if not writes_a_core(tmp_path, *trainer, "--core-dumps", begun=b'"begun"'):
        pytest.skip("this kernel writes no cores at all")
    assert not writes_a_core(tmp_path, *trainer, begun=b'"begun"')
