"""/metrics as Prometheus reads it."""
import math
import re

import pytest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')


def parse(text):
    """{family: (type, {(name, labels): value})}; asserts the exposition format 0.0.4 on the way."""
    assert text.endswith("\n")
    families, helped, family = {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in helped
            helped.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in families and kind in ("counter", "gauge", "histogram")
            families[name], family = (kind, {}), name
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            kind, samples = families[family]
            suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            assert name in {family + suffix for suffix in suffixes}
            key = (name, tuple(LABEL.findall(labels or "")))
            assert key not in samples
            samples[key] = float(value)
    return families


def scrape(service, port=None):
    answer = service.get("/metrics", port or service.admin_port)
    assert (answer.status, answer.type) == (200, CONTENT_TYPE)
    return parse(answer.body.decode())


def value(families, family, **labels):
    return families[family][1].get((family, tuple(labels.items())), 0)


def test_the_text_is_well_formed_and_histograms_are_cumulative(stub):
    stub.verify([("image1", b"first"), ("image2", b"second")])
    for family, (kind, samples) in scrape(stub).items():
        assert family.startswith(("facepair_", "process_"))
        if kind == "histogram":
            check_histogram(family, samples)
        if kind == "counter":
            assert all(number >= 0 for number in samples.values()) and family.endswith("_total")


def check_histogram(family, samples):
    series = {}
    for (name, labels), number in samples.items():
        if name == family + "_bucket":
            rest = tuple(label for label in labels if label[0] != "le")
            series.setdefault(rest, []).append((float(dict(labels)["le"]), number))
    for labels, buckets in series.items():
        assert buckets == sorted(buckets) and buckets[-1][0] == math.inf
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert buckets[-1][1] == samples[(family + "_count", labels)]
        assert (family + "_sum", labels) in samples


def test_both_scraped_listeners_tell_the_same_families(stub):
    stub.verify([("image1", b"first"), ("image2", b"second")])
    assert set(scrape(stub)) == set(scrape(stub, stub.metrics_port))


def test_a_verification_is_counted(start_stub):
    service = start_stub()
    service.verify([("image1", b"same"), ("image2", b"same")])
    service.verify([("image1", b"first"), ("image2", b"second"), ("threshold", "0.000001")])
    families = scrape(service)
    counted = {"model": "dlib-resnet", "version": "1"}
    assert value(families, "facepair_verifications_total", **counted, rule="max_fmr", decision="same") == 1
    assert value(families, "facepair_verifications_total", **counted, rule="threshold", decision="different") == 1
    assert value(families, "facepair_images_total", outcome="ok") == 4
    assert value(families, "facepair_http_requests_total", route="/v1/verify", method="POST", code="200") == 2
    distances = families["facepair_distance"][1]
    assert distances[("facepair_distance_count", tuple(counted.items()))] == 2
    stages = families["facepair_stage_duration_seconds"][1]
    for stage, count in {"receive": 2, "prepare": 2, "queue": 2, "embed": 2, "total": 2,
                         "decode": 4, "detect": 4, "align": 4}.items():
        assert stages[("facepair_stage_duration_seconds_count", (("stage", stage),))] == count


def test_faults_are_counted_by_photograph_and_by_answer(start_stub):
    service = start_stub()
    service.verify([("image1", b"STUB:no_face"), ("image2", b"second")], path="/verify")
    families = scrape(service)
    assert value(families, "facepair_images_total", outcome="no_face") == 1
    assert value(families, "facepair_images_total", outcome="ok") == 1
    assert value(families, "facepair_http_requests_total", route="/v1/verify", method="POST", code="422") == 1


def test_what_the_instance_is(stub):
    families = scrape(stub)
    assert value(families, "facepair_ready") == 1
    assert value(families, "facepair_model_info", model="dlib-resnet", version="1", active="true", device="cpu") == 1
    assert value(families, "facepair_build_info", version=stub.get("/v1/info").json["version"]) == 1
    assert value(families, "facepair_queue_capacity", queue="prepare") == 256
    assert value(families, "facepair_queue_capacity", queue="embed") == 256
    assert value(families, "facepair_queue_length", queue="embed") == 0
    assert value(families, "process_resident_memory_bytes") > 0


def test_jobs_that_end_are_counted_from_zero_on(stub):
    """Of a series that begins with 1, rate() and increase() see nothing: the first failed job would raise no alert."""
    counted = scrape(stub)["facepair_jobs_finished_total"][1]
    for kind in ("fine_tune", "evaluation", "calibration"):
        for status in ("succeeded", "failed", "cancelled"):
            assert counted[("facepair_jobs_finished_total", (("kind", kind), ("status", status)))] == 0


@pytest.mark.parametrize("path", ["/nothing", "/nothing/else"])
def test_unknown_paths_share_one_series(stub, path):
    before = value(scrape(stub), "facepair_http_requests_total", route="unmatched", method="GET", code="404")
    stub.get(path)
    after = scrape(stub)
    assert value(after, "facepair_http_requests_total", route="unmatched", method="GET", code="404") == before + 1
    assert path not in str(after)
