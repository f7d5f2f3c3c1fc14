"""A real Prometheus scrapes two instances, runs the rules and answers the dashboard's queries."""
import contextlib
import json
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
import yaml
from conftest import CHART, run
from jobs import Jobs
from service import PATIENCE_S, STUB, Service, write_stub_data

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Prometheus:
    """Debian's, on a free port, with the chart's rules; their `for` is a second, so that a test can wait for it."""

    def __init__(self, folder, targets):
        rules = re.sub(r"^( *for:).*", r"\1 1s", (CHART / "files" / "rules.yaml").read_text(), flags=re.M)
        (folder / "rules.yaml").write_text(rules)
        (folder / "prometheus.yaml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "facepair", "static_configs": [
                {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "facepair", "component": component}}
                for component, port in targets.items()]}]}))
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data",
             "--web.listen-address=127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self._port()}/api/v1/"
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()

    def _port(self):
        port = None
        for line in self.process.stderr:
            if match := re.search(r'msg="Listening on" address=\S*:(\d+)', line):
                port = match[1]
            if "Server is ready" in line:
                return port
        raise AssertionError("Prometheus does not start")

    def get(self, path, **parameters):
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=PATIENCE_S) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def query(self, expression):
        return self.get("query", query=expression)["result"]

    def wait_for(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < end, "it did not come to be"
            time.sleep(0.2)
        return found

    def alert(self, name):
        """That fires, or None."""
        return next((each for each in self.get("alerts")["alerts"]
                     if each["labels"]["alertname"] == name and each["state"] == "firing"), None)


@pytest.fixture(scope="module")
def instances(tmp_path_factory):
    """{component: service}: control with a store, and one that only answers."""
    with contextlib.ExitStack() as ends:
        started = {}
        for role in ("serve", "control"):
            data = write_stub_data(tmp_path_factory.mktemp(role) / "data", dlib_resnet={})
            started[role] = Service(STUB, data, f"--role={role}", "--lockout=off", "--metrics-listen=127.0.0.1:0")
            started[role].data = data
            ends.callback(started[role].process.kill)
        Jobs(started["control"].data).create(epochs=1)
        yield started


@pytest.fixture(scope="module")
def prometheus(instances, tmp_path_factory):
    server = Prometheus(tmp_path_factory.mktemp("prometheus"),
                        {role: service.metrics_port for role, service in instances.items()})
    yield server
    server.process.terminate()
    server.process.wait(PATIENCE_S)


def all_kinds_of_answers(service):
    pair = [("image1", b"first"), ("image2", b"second")]
    assert service.verify(pair).status == 200
    assert service.verify([("image1", b"same"), ("image2", b"same")]).json["verified"]
    assert service.verify([("image1", b"STUB:no_face"), pair[1]]).status == 422
    assert service.verify([("image1", b"STUB:network_fails"), pair[1]]).status == 500
    assert service.verify([("image1", b"STUB:slow"), pair[1]], X_Request_Timeout_Ms=10).status == 504


def test_promtool_finds_no_fault_in_what_is_told(instances):
    for service in instances.values():
        all_kinds_of_answers(service)
        answer = service.get("/metrics", service.metrics_port)
        assert answer.headers.get_all("Content-Type") == [CONTENT_TYPE]
        done = run("promtool", "check", "metrics", input=answer.body.decode())
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_both_instances_are_scraped(prometheus):
    prometheus.wait_for(lambda: len(prometheus.query("up == 1")) == 2)
    assert all(target["lastError"] == "" for target in prometheus.get("targets")["activeTargets"])
    assert {each["metric"]["component"] for each in prometheus.query("facepair_build_info")} == {"serve", "control"}


def test_every_rule_is_evaluated(prometheus):
    def healths():
        return [rule["health"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]]

    prometheus.wait_for(lambda: set(healths()) == {"ok"})


def dashboard_queries():
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    return {f"{panel['title']} {target['refId']}": target["expr"] for panel in dashboard["panels"]
            for target in panel.get("targets", [])}


@pytest.mark.parametrize("name", list(dashboard_queries()))
def test_a_query_of_the_dashboard_is_answered(instances, prometheus, name):
    expression = dashboard_queries()[name].replace("$__rate_interval", "30s").replace("$namespace", ".*")

    def numbers():
        all_kinds_of_answers(instances["serve"])
        return [each for each in prometheus.query(expression) if each["value"][1] != "NaN"]

    assert prometheus.wait_for(numbers)


def test_every_metric_is_on_the_dashboard_or_in_a_rule(instances):
    told = set(re.findall(r"^# TYPE (facepair_\w+)", instances["control"].get("/metrics", instances["control"].metrics_port)
                          .body.decode(), re.M))
    watched = " ".join([*dashboard_queries().values(), (CHART / "files" / "rules.yaml").read_text()])
    assert {name for name in told if name not in watched} <= {"facepair_build_info"}


def test_a_job_that_fails_fires_an_alert(instances, prometheus):
    prometheus.wait_for(lambda: prometheus.query('facepair_jobs_finished_total{kind="fine_tune",status="failed"} == 0'))
    Jobs(instances["control"].data).create(epochs=666)
    alert = prometheus.wait_for(lambda: prometheus.alert("FacepairJobFailed"))
    assert alert["annotations"]["summary"] == "a job (fine_tune) has failed"


def test_an_instance_that_dies_fires_an_alert(instances, prometheus):
    assert prometheus.alert("FacepairDown") is None
    instances["serve"].process.kill()
    alert = prometheus.wait_for(lambda: prometheus.alert("FacepairDown"))
    assert alert["labels"]["component"] == "serve" and alert["labels"]["severity"] == "critical"
