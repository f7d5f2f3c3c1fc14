"""The k-th allocation of our own code fails, for k = 1, 2, … until none is left to fail, through a whole request of each kind:
the program lives, the answer is the right one or an explained 5xx, and the next request is served."""
import http.client
import itertools
import json
import struct

import pytest
from data_sets import FINE_TUNES, Admin
from service import BUILD, Service, encoded, write_stub_data

PROGRAM = BUILD / "tests" / "facepair-stub-memory"
# Their base64 is too long for jansson's first buffer, as the numbers of COMPONENTS are.
FIRST, SECOND = b"the first of two photographs", b"the second of two photographs"
PAIR = [("image1", FIRST), ("image2", SECOND)]
EXPLAINED = {500: {"internal"}, 503: {"overloaded"}}


class Allocations:
    """What tests/fail_allocation.c reads."""

    def __init__(self, path):
        self.path = path
        self.fail(0)

    def fail(self, k):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("<q", k))

    def left(self):
        return struct.unpack("<q", self.path.read_bytes())[0]


@pytest.fixture(scope="module")
def allocations(tmp_path_factory):
    return Allocations(tmp_path_factory.mktemp("memory") / "allocations")


@pytest.fixture(scope="module")
def service(allocations, tmp_path_factory):
    """With a data set and a job, the only ones."""
    data = write_stub_data(tmp_path_factory.mktemp("data") / "data", dlib_resnet={}, other={})
    audit = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    service = Service(PROGRAM, data, "--allow-raw-embeddings", "--no-trainer", "--audit", audit,
                      environment={"FACEPAIR_FAIL_ALLOCATION": str(allocations.path)})
    admin = Admin(service, data)
    admin.ready("people")
    assert admin.create({"base_model": "dlib-resnet", "dataset": "people"}).status == 202
    yield service
    allocations.fail(0)
    assert service.stop() == 0, service.log[-20:]  # a sanitizer's leaks too


COMPONENTS = json.dumps({"embedding1": [0.5] * 128, "embedding2": [0.25] * 128, "model": "dlib-resnet@1"}).replace(
    "0.5", "5000000000000000e-16")  # whichever digit is lost, it is missed
NUMBERS = itertools.count()  # another subject each time: one that is refused again and again is locked out
REQUESTS = {
    "verify-form": lambda s: s.verify([*PAIR, ("model", "dlib-resnet@1"), ("subject", f"somebody-{next(NUMBERS)}"),
                                       ("prior", "0.25")]),
    "verify-json": lambda s: s.verify_json({"image1": encoded(FIRST), "image2": encoded(SECOND)}),
    "embeddings": lambda s: s.post_form("/v1/embeddings", [*PAIR, ("raw", "true")]),
    "compare": lambda s: s.post_json("/v1/compare", COMPONENTS),
    "info": lambda s: s.get("/v1/info"),
    "models": lambda s: s.get("/v1/models"),
    "model": lambda s: s.get("/v1/models/dlib-resnet"),
    "versions": lambda s: s.get("/admin/v1/models", s.admin_port),
    "datasets": lambda s: s.get("/admin/v1/datasets", s.admin_port),
    "dataset": lambda s: s.get("/admin/v1/datasets/people", s.admin_port),
    "jobs": lambda s: s.get(FINE_TUNES, s.admin_port),
    "metrics": lambda s: s.get("/metrics", s.admin_port),
    "faults": lambda s: s.verify([("image1", b"STUB:no_face"), ("image2", b"STUB:invalid_image")]),
}


# What differs from one answer to the next; the last are the stages of timings_ms.
VOLATILE = {"request_id", "token", "expires_at", "receive", "prepare", "queue", "embed", "total"}


def lasting(value):
    """A JSON value in which None stands for what is volatile."""
    if isinstance(value, dict):
        return {name: None if name in VOLATILE else lasting(member) for name, member in value.items()}
    return [lasting(item) for item in value] if isinstance(value, list) else value


def series(answer):
    """Of metrics: the lines without their values."""
    return {line.rpartition(" ")[0] for line in answer.body.decode().splitlines()}


def says_the_same(answer, right):
    """Of metrics: none is missing; a refusal meanwhile may have made new ones."""
    if (answer.status, answer.type) != (right.status, right.type):
        return False
    return lasting(answer.json) == lasting(right.json) if "json" in right.type else series(answer) >= series(right)


def attempt(send, service):
    """The answer; None: the connection ended without one."""
    try:
        return send(service)
    except (ConnectionError, http.client.HTTPException):
        return None


@pytest.mark.parametrize("name", REQUESTS)
def test_any_allocation_may_fail(service, allocations, name):
    send = REQUESTS[name]
    right = send(service)
    unanswered, k = 0, 0
    while True:
        k += 1
        allocations.fail(k)
        answer = attempt(send, service)
        reached = allocations.left() <= 0
        allocations.fail(0)
        assert service.process.poll() is None, (k, service.log[-20:])
        if answer is None:
            unanswered += 1
        elif answer.status in EXPLAINED:
            assert answer.json["code"] in EXPLAINED[answer.status], (k, answer.body)
        else:
            assert says_the_same(answer, right), (k, answer.status, answer.body, right.body)
        assert says_the_same(send(service), right), k
        if not reached:
            break
    assert unanswered <= 2, unanswered  # the records of the connection and of the request, without which nothing is said
    assert k > 3  # it was not for want of allocations
