"""The k-th allocation of our own code fails, for k = 1, 2, … until none is left to fail, through a whole request of each kind:
the program lives, the answer is the right one or an explained 5xx, and the next request is served."""
import http.client
import itertools
import struct

import pytest
from service import BUILD, Service, encoded

PROGRAM = BUILD / "tests" / "facepair-stub-memory"
PAIR = [("image1", b"first"), ("image2", b"second")]
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
def service(stub_data, allocations, tmp_path_factory):
    audit = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    service = Service(PROGRAM, stub_data, "--allow-raw-embeddings", "--no-trainer", "--audit", audit,
                      environment={"FACEPAIR_FAIL_ALLOCATION": str(allocations.path)})
    yield service
    allocations.fail(0)
    assert service.stop() == 0, service.log[-20:]  # a sanitizer's leaks too


COMPONENTS = {"embedding1": [0.5] * 128, "embedding2": [0.25] * 128, "model": "dlib-resnet@1"}
NUMBERS = itertools.count()  # another subject each time: one that is refused again and again is locked out
REQUESTS = {
    "verify-form": lambda s: s.verify([*PAIR, ("model", "dlib-resnet@1"), ("subject", f"somebody-{next(NUMBERS)}"), ("prior", "0.25")]),
    "verify-json": lambda s: s.verify_json({"image1": encoded(b"first"), "image2": encoded(b"second")}),
    "embeddings": lambda s: s.post_form("/v1/embeddings", [*PAIR, ("raw", "true")]),
    "compare": lambda s: s.post_json("/v1/compare", COMPONENTS),
    "models": lambda s: s.get("/v1/models"),
    "metrics": lambda s: s.get("/metrics", s.admin_port),
    "faults": lambda s: s.verify([("image1", b"STUB:no_face"), ("image2", b"STUB:invalid_image")]),
}


def attempt(send, service):
    """The answer; None: the connection ended without one."""
    try:
        return send(service)
    except (ConnectionError, http.client.HTTPException):
        return None


@pytest.mark.parametrize("name", REQUESTS)
def test_any_allocation_may_fail(service, allocations, name):
    send = REQUESTS[name]
    right = send(service).status
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
        elif answer.status != right:
            assert answer.json["code"] in EXPLAINED.get(answer.status, ()), (k, answer.status, answer.body)
        assert send(service).status == right, k
        if not reached:
            break
    assert unanswered <= 2, unanswered  # the records of the connection and of the request, without which nothing is said
    assert k > 3  # it was not for want of allocations
