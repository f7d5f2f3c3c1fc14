import pathlib
import resource

import pytest
import yaml

import races
import service as under_test


@pytest.fixture(autouse=True)
def no_race():
    yield
    races.none()


@pytest.fixture(scope="session")
def stub_data(tmp_path_factory):
    uncalibrated = {"thresholds": {"source": "none", "values": []}}
    return under_test.write_stub_data(tmp_path_factory.mktemp("data") / "data", dlib_resnet={}, plain=uncalibrated)


@pytest.fixture(scope="session")
def start_stub(stub_data):
    """Starts a stub service of one's own: start_stub("--timeout-ms=50", FACEPAIR_STUB_BATCH_US="1000")"""
    started = []

    def start(*options, data=stub_data, **environment):
        started.append(under_test.Service(under_test.STUB, data, *options, environment=environment))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            assert service.stop() == 0, service.log[-20:]


@pytest.fixture(scope="session")
def stub(start_stub):
    """Shared by all tests that do not stop or overload it."""
    return start_stub("--metrics-listen", "127.0.0.1:0", "--allowed-host", "facepair.example",
                      "--allowed-origin", "https://facepair.example")


@pytest.fixture(scope="session")
def real():
    """The real program on the real network, shared."""
    active = under_test.DATA / "models" / "dlib-resnet" / "active"
    assert active.exists(), f"no model in {under_test.DATA}: run `make models`"
    service = under_test.Service(under_test.PROGRAM, under_test.DATA)
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="session")
def unrecordable(start_stub, tmp_path_factory):
    """A stub service whose record of decisions the disk no longer takes."""
    service = start_stub("--audit", tmp_path_factory.mktemp("audit") / "audit.jsonl")
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    while service.verify([("image1", b"first"), ("image2", b"second")]).status == 200:  # until the first line has failed
        pass
    yield service
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture(scope="session")
def openapi():
    return yaml.safe_load((pathlib.Path(under_test.TREE) / "openapi.yaml").read_text())


@pytest.fixture(scope="session")
def real_raw():
    """The real program on the real network, which tells and takes components of embeddings."""
    service = under_test.Service(under_test.PROGRAM, under_test.DATA, "--allow-raw-embeddings")
    yield service
    assert service.stop() == 0
