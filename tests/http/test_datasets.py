"""Data sets over HTTP: what is taken, what is refused and why, and that a refusal leaves nothing behind."""
import contextlib
import gzip
import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import tarfile
import tempfile
import time

import contract
import pytest
from data_sets import Admin, archive, people, small_photograph, special
from service import PATIENCE_S, read_answer, write_stub_data

PATH = "/admin/v1/datasets/{dataset}"
SMALL = small_photograph()
PLAIN = people(SMALL, Ada=2, Bo=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    data = write_stub_data(tmp_path_factory.mktemp("canary") / "data", dlib_resnet={})
    (data / "datasets").mkdir()
    return data


@pytest.fixture(scope="module")
def admin(start_stub, data):
    return Admin(start_stub("--no-trainer", data=data), data)


def eventually(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "store.sqlite" not in path.name)


@pytest.fixture
def untouched(data):
    """Nothing beside the data directory changes, and nothing is left in it."""
    eventually(lambda: not list((data / "datasets").glob(".*")))  # of the tests before
    before = everything_below(data.parent)
    yield
    eventually(lambda: everything_below(data.parent) == before)


# ---- what is taken ----

def test_an_upload_is_validating_until_the_trainer_has_looked(admin, openapi):
    answer = admin.upload("plain", archive(PLAIN), "?purpose=to%20learn&retain_until=2100-01-31T12:00:00Z")
    contract.check(openapi, PATH, "put", answer)
    assert (answer.status, answer.headers["Location"]) == (201, "/admin/v1/datasets/plain")
    told = answer.json
    assert (told["status"], told["files"], told["bytes"]) == ("validating", 3, sum(len(data) for _, data in PLAIN))
    assert (told["purpose"], told["retain_until"]) == ("to learn", "2100-01-31T12:00:00.000Z")
    assert (told["people"], told["images"], told["checked_at"]) == (None, None, None)
    admin.drive("check", "plain", "ready")
    shown = admin.request("GET", "/admin/v1/datasets/plain")
    contract.check(openapi, PATH, "get", shown)
    assert (shown.json["status"], shown.json["people"], shown.json["images"]) == ("ready", 2, 3)
    assert (shown.json["versions"], shown.json["caches"]) == ([], [])


def test_the_files_stand_in_the_data_directory_with_their_hashes(admin, data):
    admin.upload("files", archive(PLAIN))
    folder = data / "datasets" / "files"
    for name, content in PLAIN:
        assert (folder / name).read_bytes() == content
    checked = subprocess.run(["sha256sum", "--strict", "-c", "files.sha256"], cwd=folder, capture_output=True)
    assert checked.returncode == 0
    digest = subprocess.run(["sha256sum", "files.sha256"], cwd=folder, capture_output=True, text=True).stdout.split()[0]
    assert admin.dataset("files")["sha256"] == digest


@pytest.mark.parametrize("pack", ["gz", "zst", "another order", "a folder above", "./"])
def test_the_same_content_again_is_200_however_it_is_packed(admin, pack):
    first = admin.upload("same", archive(PLAIN))
    assert first.status in (200, 201)
    members = list(reversed(PLAIN)) if pack == "another order" else PLAIN
    above = {"a folder above": "lfw-deepfunneled/", "./": "./"}.get(pack, "")
    body = archive([(above + name, content) for name, content in members])
    if pack == "gz":
        body = gzip.compress(body)
    if pack == "zst":
        body = subprocess.run(["zstd", "-q"], input=body, capture_output=True, check=True).stdout
    again = admin.upload("same", body)
    assert again.status == 200 and again.json["id"] == first.json["id"]


def test_other_content_under_the_name_is_409(admin, openapi, data):
    admin.upload("taken", archive(PLAIN))
    answer = admin.upload("taken", archive(PLAIN[:2]))
    contract.check_problem(openapi, PATH, "put", answer, 409, "dataset_exists")
    assert (data / "datasets" / "taken" / "Bo").is_dir()
    eventually(lambda: not list((data / "datasets").glob(".new-*")))


def test_a_data_set_that_is_being_deleted_takes_no_content(start_stub, tmp_path, openapi):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", data=data), data)
    assert admin.upload("plain", archive(PLAIN)).status == 201
    with contextlib.closing(sqlite3.connect(data / "store.sqlite", isolation_level=None)) as store:
        store.execute("UPDATE datasets SET state = 'deleting'")  # as a deletion that broke off leaves it
    answer = admin.upload("plain", archive(PLAIN))
    contract.check_problem(openapi, PATH, "put", answer, 409, "dataset_exists")
    assert "being deleted" in answer.json["detail"]


def test_a_body_in_chunks_is_the_same(admin):
    body = archive(people(SMALL, Ada=300, Bo=2))
    whole = admin.upload("chunks", body)
    connection = http.client.HTTPConnection("127.0.0.1", admin.service.admin_port, timeout=PATIENCE_S)
    connection.request("PUT", "/admin/v1/datasets/chunks", iter([body[i:i + 9999] for i in range(0, len(body), 9999)]),
                       encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    answer = connection.getresponse()
    assert (whole.status, answer.status) == (201, 200)


def test_data_sets_are_listed_page_by_page(start_stub, tmp_path, openapi):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", data=data), data)
    for name in "abc":
        admin.upload(name, archive(people(SMALL, **{name: 1})))
    first = admin.request("GET", "/admin/v1/datasets?limit=2")
    contract.check(openapi, "/admin/v1/datasets", "get", first)
    assert ([item["name"] for item in first.json["data"]], first.json["has_more"]) == (["a", "b"], True)
    second = admin.request("GET", first.json["next"]).json
    assert ([item["name"] for item in second["data"]], second["has_more"], second["next"]) == (["c"], False, None)


@pytest.mark.parametrize("query, code", [("?limit=0", "invalid_field"), ("?limit=101", "invalid_field"),
                                         ("?limit=x", "invalid_field"), ("?after=A", "invalid_field"),
                                         ("?page=2", "unknown_field"), ("?limit=1&limit=1", "duplicate_field")])
def test_a_page_that_cannot_be_is_told(admin, openapi, query, code):
    answer = admin.request("GET", "/admin/v1/datasets" + query)
    contract.check_problem(openapi, "/admin/v1/datasets", "get", answer, 400, code)


# ---- what is refused before the body ----

@pytest.mark.parametrize("name, query, headers, status, code", [
    ("Upper", "", {}, 400, "invalid_name"), (".new-1", "", {}, 400, "invalid_name"),
    ("x" * 64, "", {}, 400, "invalid_name"), ("a%2Fb", "", {}, 404, "not_found"),
    ("x", "?purpose=" + "x" * 256, {}, 400, "invalid_field"), ("x", "?retain_until=tomorrow", {}, 400, "invalid_field"),
    ("x", "?retain_until=2001-01-01T00:00:00Z", {}, 400, "invalid_field"), ("x", "?keep=1", {}, 400, "unknown_field"),
    ("x", "", {"Content_Type": "application/json"}, 415, "unsupported_media_type"),
    ("x", "", {"Content_Encoding": "gzip"}, 415, "unsupported_media_type"),
])
def test_a_faulty_header_is_answered_before_the_body(admin, openapi, untouched, name, query, headers, status, code):
    answer = admin.upload(name, archive(PLAIN), query, **headers)
    if status == 404:
        assert (answer.status, answer.json["code"]) == (status, code)
    else:
        contract.check_problem(openapi, PATH, "put", answer, status, code)


def test_more_than_may_be_sent_is_413_at_once(start_stub, tmp_path, openapi):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", "--dataset-bytes=100000", data=data), data)
    with admin.service.connect(admin.service.admin_port) as connection:
        connection.sendall(b"PUT /admin/v1/datasets/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\n"
                           b"Expect: 100-continue\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")


# ---- hostile archives ----

def bomb(compress):
    return compress(archive([(f"Ada/Ada_{i:04d}.jpg", bytes(8 << 20)) for i in range(1, 13)]))


def zstd(data):
    return subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout


def refused(name, body, status, why):
    return pytest.param(body, status, why, id=name)


HOSTILE = [
    refused("upwards", lambda: archive(PLAIN + [("../Ada_0001.jpg", SMALL)]), 400, "leads upwards"),
    refused("upwards within", lambda: archive(PLAIN + [("Ada/../../escape_0001.jpg", SMALL)]), 400, "leads upwards"),
    refused("absolute", lambda: archive(PLAIN + [("/tmp/Ada_0001.jpg", SMALL)]), 400, "absolute"),
    refused("symbolic link", lambda: archive(PLAIN + [special("Cy", tarfile.SYMTYPE, "../..")]), 400, "links"),
    refused("hard link", lambda: archive(PLAIN + [special("Ada/Ada_0003.jpg", tarfile.LNKTYPE, "Ada/Ada_0001.jpg")]), 400,
            "links"),
    refused("character device", lambda: archive(PLAIN + [special("Ada/Ada_0003.jpg", tarfile.CHRTYPE)]), 400, "only files"),
    refused("block device", lambda: archive(PLAIN + [special("Ada/Ada_0003.jpg", tarfile.BLKTYPE)]), 400, "only files"),
    refused("pipe", lambda: archive(PLAIN + [special("Ada/Ada_0003.jpg", tarfile.FIFOTYPE)]), 400, "only files"),
    refused("a name twice", lambda: archive(PLAIN + PLAIN[:1]), 400, "twice"),
    refused("another file", lambda: archive(PLAIN + [("README.md", b"hello")]), 400, "neither"),
    refused("bomb by gzip", lambda: bomb(gzip.compress), 413, "20 times"),
    refused("bomb by zstd", lambda: bomb(zstd), 413, "20 times"),
    refused("a large photograph", lambda: archive([("Ada/Ada_0001.jpg", bytes((10 << 20) + 1))]), 413, "10485760 bytes"),
    refused("broken gzip", lambda: gzip.compress(archive(PLAIN))[:300] + b"\xff" * 300, 400, "broken after"),
    refused("gzip cut short", lambda: gzip.compress(archive([("Ada/Ada_0001.jpg", os.urandom(90000))]))[:60000], 400, "broken after"),
    refused("tar cut short", lambda: archive(PLAIN)[:700], 400, "broken after"),
    refused("no tar", lambda: b"PK\3\4" + bytes(3000), 415, "no tar"),
    refused("nothing", lambda: b"", 415, "no tar"),
    refused("no files", lambda: archive([special("Ada", tarfile.DIRTYPE)]), 400, "no files"),
]


@pytest.mark.parametrize("body, status, why", HOSTILE)
def test_a_hostile_archive_is_refused_with_the_cause_and_leaves_nothing(admin, openapi, untouched, body, status, why):
    answer = admin.upload("hostile", body())
    code = {400: "invalid_field", 413: "body_too_large", 415: "unsupported_media_type"}[status]
    contract.check_problem(openapi, PATH, "put", answer, status, code)
    assert why in answer.json["detail"]
    assert admin.request("GET", "/admin/v1/datasets/hostile").status == 404


def test_a_million_members_are_refused_while_they_come(start_stub, tmp_path):
    """Half a gigabyte of empty files, of which the answer awaits no more than it must."""
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", "--dataset-members=20000", data=data), data)
    connection = admin.service.connect(admin.service.admin_port)
    connection.sendall(b"PUT /admin/v1/datasets/many HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    sent = 0
    try:
        for first in range(0, 1_000_000, 5000):
            members = [(f"P{i // 9999}/P{i // 9999}_{i % 9999 + 1:04d}.jpg", b"") for i in range(first, first + 5000)]
            piece = archive(members)[:5000 * 512]
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            sent += 5000
    except OSError:
        pass
    answer = http.client.HTTPResponse(connection, method="PUT")
    answer.begin()
    assert answer.status == 413 and b"20000 members" in answer.read()
    assert sent < 1_000_000
    connection.close()
    assert not list((data / "datasets").iterdir())


def test_an_answer_in_the_middle_does_not_wait_for_the_body(admin, untouched):
    with admin.service.connect(admin.service.admin_port) as connection:
        connection.sendall(b"PUT /admin/v1/datasets/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        connection.sendall(archive([special("Cy", tarfile.SYMTYPE, "..")]))
        answer = http.client.HTTPResponse(connection, method="PUT")
        answer.begin()
        assert answer.status == 400 and b"links" in answer.read()
        assert answer.headers["Connection"] == "close" and connection.recv(1) == b""


def test_a_client_that_breaks_off_leaves_nothing(admin, untouched, data):
    connection = admin.service.connect(admin.service.admin_port)
    connection.sendall(b"PUT /admin/v1/datasets/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
    connection.sendall(archive(people(SMALL, Ada=60))[:50000])
    eventually(lambda: list((data / "datasets").glob(".new-*/Ada")))
    connection.close()
    eventually(lambda: not list((data / "datasets").glob(".new-*")))


def test_a_third_upload_waits_for_a_place(admin, openapi):
    connections = []
    for name in ("one", "two"):
        connection = admin.service.connect(admin.service.admin_port)
        connection.sendall(f"PUT /admin/v1/datasets/{name} HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Length: 100000\r\n\r\n".encode())
        connections.append(connection)
    deadline = time.monotonic() + PATIENCE_S
    answer = admin.upload("three", archive(PLAIN))
    while answer.status != 503 and time.monotonic() < deadline:
        answer = admin.upload("three", archive(PLAIN))
    contract.check_problem(openapi, PATH, "put", answer, 503, "overloaded")
    assert answer.headers["Retry-After"] == "5"  # nobody knows when an upload ends
    for connection in connections:
        connection.close()
    while answer.status == 503 and time.monotonic() < deadline:
        answer = admin.upload("three", archive(PLAIN))
    assert answer.status in (200, 201)


# ---- a full disk ----

@pytest.fixture
def small_disk():
    """4 MiB of memory as a file system; only root may mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = tempfile.mkdtemp(prefix="facepair-disk-")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], capture_output=True)
    if mounted.returncode != 0:
        os.rmdir(folder)
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    os.rmdir(folder)


def test_a_full_disk_is_507_and_the_service_goes_on(start_stub, small_disk, openapi):
    import pathlib
    data = write_stub_data(pathlib.Path(small_disk) / "data", dlib_resnet={})
    service = start_stub("--no-trainer", data=data)
    admin = Admin(service, data)
    free = shutil.disk_usage(small_disk).free
    answer = admin.upload("large", archive(people(os.urandom(500_000), Ada=20)))
    contract.check_problem(openapi, PATH, "put", answer, 507, "storage_full")
    assert abs(shutil.disk_usage(small_disk).free - free) < 200_000
    assert service.event("storage_full", request_id=answer.json["request_id"])
    assert service.get("/readyz").status == 200
    assert admin.upload("small", archive(PLAIN)).status == 201
    assert service.stop() == 0


# ---- removal ----

def test_a_data_set_is_removed_with_its_files(admin, openapi, data):
    admin.upload("gone", archive(PLAIN))
    answer = admin.request("DELETE", "/admin/v1/datasets/gone")
    assert (answer.status, answer.body) == (204, b"")
    assert not (data / "datasets" / "gone").exists()
    eventually(lambda: not list((data / "datasets").glob(".gone-*")))
    for method in ("GET", "DELETE"):
        again = admin.request(method, "/admin/v1/datasets/gone")
        contract.check_problem(openapi, PATH, method.lower(), again, 404, "not_found")


def test_a_rejected_data_set_tells_why_and_can_be_removed(admin, data):
    admin.upload("bad", archive([("Ada/Ada_0001.jpg", b"no photograph")]))
    admin.drive("check", "bad", "rejected", "one_person", "Photographs of at least two people are needed.")
    told = admin.dataset("bad")
    assert (told["status"], told["error"]["code"]) == ("rejected", "one_person")
    assert admin.request("DELETE", "/admin/v1/datasets/bad").status == 204
    assert not (data / "datasets" / "bad").exists()


def test_one_person_is_removed_and_the_content_is_another(admin, openapi, data):
    members = people(SMALL, Ada=2, Bo=2, Cy=1) + [("people.txt", b"3\nAda\t2\nBo\t2\nCy\t1\n")]
    before = admin.upload("people", archive(members)).json
    path = PATH + "/people/{person}"
    early = admin.request("DELETE", "/admin/v1/datasets/people/people/Ada")
    contract.check_problem(openapi, path, "delete", early, 409, "wrong_state")
    admin.drive("check", "people", "ready")
    answer = admin.request("DELETE", "/admin/v1/datasets/people/people/Ada")
    contract.check(openapi, path, "delete", answer)
    assert answer.status == 200 and answer.json["sha256"] != before["sha256"]
    assert (answer.json["status"], answer.json["files"]) == ("validating", 4)
    folder = data / "datasets" / "people"
    assert not (folder / "Ada").exists() and (folder / "people.txt").read_text() == "2\nBo\t2\nCy\t1\n"
    event = admin.service.event("dataset_person_deleted", dataset="people")
    assert event["images"] == 2 and "Ada" not in str(event)
    admin.drive("check", "people", "ready")
    nobody = admin.request("DELETE", "/admin/v1/datasets/people/people/Ada")
    contract.check_problem(openapi, path, "delete", nobody, 404, "not_found")


@pytest.mark.parametrize("person", ["a%20b", "..", "x" * 101])
def test_a_person_that_cannot_be_is_told(admin, person):
    answer = admin.request("DELETE", f"/admin/v1/datasets/plain/people/{person}")
    assert (answer.status, answer.json["code"]) in ((404, "not_found"), (400, "invalid_name"))


@pytest.mark.parametrize("name", ["files.sha256", "pairs.txt", "people.txt"])
def test_a_file_of_a_data_set_is_no_person(admin, openapi, data, name):
    dataset = "files-" + name.replace(".", "-")
    admin.upload(dataset, archive(people(SMALL, Ada=2, Bo=1) + [
        ("pairs.txt", b"1\nAda\t1\t2\nAda\t1\tBo\t1\n"), ("people.txt", b"2\nAda\t2\nBo\t1\n")]))
    admin.drive("check", dataset, "ready")
    before = (data / "datasets" / dataset / name).read_bytes()
    answer = admin.request("DELETE", f"/admin/v1/datasets/{dataset}/people/{name}")
    contract.check_problem(openapi, PATH + "/people/{person}", "delete", answer, 400, "invalid_name")
    assert (data / "datasets" / dataset / name).read_bytes() == before


def test_a_data_set_past_its_time_is_removed(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    service = start_stub("--no-trainer", data=data)
    admin = Admin(service, data)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    assert admin.upload("short", archive(PLAIN), f"?retain_until={soon}").status == 201
    time.sleep(3)
    assert service.stop() == 0  # the next start looks at once
    service = start_stub("--no-trainer", data=data)
    service.event("dataset_deleted", dataset="short", by="retention")
    assert not (data / "datasets" / "short").exists()


def test_what_a_killed_upload_has_left_is_swept(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    left = data / "datasets" / ".new-abcdef" / "Ada"
    left.mkdir(parents=True)
    (left / "Ada_0001.jpg").write_bytes(SMALL)
    (data / "datasets" / ".gone-x").mkdir()
    start_stub("--no-trainer", data=data)
    eventually(lambda: not list((data / "datasets").iterdir()))


def test_an_upload_is_answered_when_the_service_drains(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    service = start_stub("--no-trainer", data=data)
    with socket.create_connection(("127.0.0.1", service.admin_port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"PUT /admin/v1/datasets/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        connection.sendall(archive(PLAIN)[:2048])
        eventually(lambda: list((data / "datasets").glob(".new-*/Ada")))
        service.signal()
        answer = http.client.HTTPResponse(connection, method="PUT")
        answer.begin()
        assert (answer.status, answer.headers["Connection"]) == (503, "close")
    assert service.wait() == 0


# ---- a body past its limit without a declared end ----

def in_chunks(*pieces):
    """The beginning of an upload whose end is still to come."""
    return (b"PUT /admin/v1/datasets/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces))


def test_a_refused_member_before_bytes_past_the_limit_is_answered_once(start_stub, tmp_path):
    """The limit is found on the loop, and what is wrong with the archive a moment later beside it."""
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    admin = Admin(start_stub("--no-trainer", "--dataset-bytes=11000", data=data), data)
    link = archive([special("Cy", tarfile.SYMTYPE, "..")])
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(admin.service.connect(admin.service.admin_port)) for _ in range(2)]
        for connection in connections:
            connection.sendall(in_chunks(link, bytes(1000)))
            assert read_answer(connection, "PUT").status == 413
        deadline = time.monotonic() + PATIENCE_S
        while (answer := admin.upload("y", archive([("Ada/Ada_0001.jpg", b"x")]))).status == 503:
            assert time.monotonic() < deadline  # there is no place until one of the two was looked at
        assert answer.status == 201
        assert [connection.recv(1) for connection in connections] == [b"", b""]
    assert admin.service.stop() == 0


def test_an_upload_that_was_refused_is_not_answered_again_by_the_drain(start_stub, tmp_path):
    data = write_stub_data(tmp_path / "data", dlib_resnet={})
    service = start_stub("--no-trainer", "--dataset-bytes=3000", data=data)
    with service.connect(service.admin_port) as connection:
        connection.sendall(in_chunks(archive(PLAIN)[:2048], bytes(2000)))
        assert read_answer(connection, "PUT").status == 413
        service.signal()  # while the connection is still there for what may follow
        assert service.wait() == 0
