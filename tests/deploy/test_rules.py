"""Each alert is fired by the fault that it is for, and by nothing less: promtool runs the rules over made-up series."""
import re

import pytest
import yaml
from conftest import CHART, TREE, run

RULES = CHART / "files" / "rules.yaml"
A = 'job="facepair",instance="a"'
B = 'job="facepair",instance="b"'


def requests(instance, code, values):
    return {f'facepair_http_requests_total{{{instance},route="/v1/verify",method="POST",code="{code}"}}': values}


def durations(slow):
    """A hundred verifications a minute, of which so many took between 1 and 2.5 s."""
    name, labels = "facepair_http_request_duration_seconds_bucket", f'{A},route="/v1/verify"'
    return {f'{name}{{{labels},le="0.1"}}': f"0+{100 - slow}x60", f'{name}{{{labels},le="1"}}': f"0+{100 - slow}x60",
            f'{name}{{{labels},le="2.5"}}': "0+100x60", f'{name}{{{labels},le="+Inf"}}': "0+100x60"}


def version(instance, number, values):
    return {f'facepair_model_info{{{instance},model="dlib-resnet",version="{number}",active="true",device="cpu"}}': values}


def images(outcome, values):
    return {f'facepair_images_total{{{A},outcome="{outcome}"}}': values}


def queue(name, length):
    return {f'facepair_queue_length{{{A},queue="{name}"}}': f"{length}x60",
            f'facepair_queue_capacity{{{A},queue="{name}"}}': "16x60"}


def rejected(reason, values):
    return {f'facepair_rejected_total{{{A},reason="{reason}"}}': values}


def finished(status, values):
    return {f'facepair_jobs_finished_total{{{A},kind="fine_tune",status="{status}"}}': values}


def jobs(queued, running):
    return {f'facepair_jobs{{{A},kind="fine_tune",status="queued"}}': f"{queued}x60",
            f'facepair_jobs{{{A},kind="fine_tune",status="running"}}': f"{running}x60",
            f'facepair_jobs{{{A},kind="evaluation",status="running"}}': "0x60"}


# alert: (series a minute, the minute at which it fires; series of what is less, looked at in the same minute)
FAULTS = {
    "FacepairDown": ({f"up{{{A}}}": "1x9 0x20"}, 13, {f"up{{{A}}}": "1x10 0x20"}),
    "FacepairAbsent": ({}, 6, {f"up{{{A}}}": "0x20"}),
    "FacepairNotReady": ({f"facepair_ready{{{A}}}": "1x5 0x20"}, 10, {f"facepair_ready{{{A}}}": "1x7 0x2 1x20"}),
    "FacepairRestarts": ({f"process_start_time_seconds{{{A}}}": "1x3 200x3 400x3 600x60"}, 14,
                         {f"process_start_time_seconds{{{A}}}": "1x3 200x3 400x60"}),
    "FacepairErrors": (requests(A, 200, "0+97x60") | requests(B, 500, "0+2x60") | requests(B, 504, "0+1x60"), 11,
                       requests(A, 200, "0+995x60") | requests(A, 500, "0+5x60") | requests(A, 422, "0+500x60")),
    "FacepairOverloaded": (requests(A, 200, "0+90x60") | requests(A, 503, "0+10x60"), 11,
                           requests(A, 200, "0+990x60") | requests(A, 503, "0+10x60") | requests(A, 429, "0+900x60")),
    "FacepairSlow": (durations(2), 16, durations(0)),
    "FacepairQueueFull": (queue("disk", 9), 3, queue("disk", 8) | queue("prepare", 16) | queue("embed", 16)),
    "FacepairWorkerBusy": ({f'facepair_worker_busy_seconds_total{{{A},worker="cpu"}}': "0+58x60"}, 21,
                           {f'facepair_worker_busy_seconds_total{{{A},worker="cpu"}}': "0+50x60"}),
    "FacepairLoopLate": ({f"facepair_loop_lag_seconds{{{A}}}": "0.4x60"}, 3, {f"facepair_loop_lag_seconds{{{A}}}": "0.01 0.4 0.01x60"}),
    "FacepairLogDropped": ({f"facepair_log_lines_dropped_total{{{A}}}": "0x5 9x30"}, 8,
                           {f"facepair_log_lines_dropped_total{{{A}}}": "9x30"}),
    "FacepairFileDescriptors": ({f"process_open_fds{{{A}}}": "900x60", f"process_max_fds{{{A}}}": "1024x60"}, 6,
                                {f"process_open_fds{{{A}}}": "700x60", f"process_max_fds{{{A}}}": "1024x60"}),
    "FacepairVersionsDiffer": (version(A, 2, "1x60") | version(B, 1, "1x60"), 2,
                               version(A, 2, "1x60") | version(B, 2, "1x60")),
    "FacepairSubjectsRefused": (requests(A, 200, "0+90x60") | rejected("subject_locked", "0+3x60")
                                | rejected("subject_disabled", "0+2x60"), 21,
                                requests(A, 200, "0+90x60") | rejected("subject_locked", "0+4x60") | rejected("overloaded", "0+9x60")),
    "FacepairPhotographsUnusable": (images("ok", "0+60x90") | images("no_face", "0+40x90"), 75,
                                    images("ok", "0+80x90") | images("no_face", "0+20x90")),
    "FacepairJobFailed": (finished("failed", "0x10 1x20"), 12, finished("succeeded", "0x10 1x20")),
    "FacepairJobsWait": (jobs(2, 0), 11, jobs(2, 1)),
}


def alerts():
    return {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


def check(tmp_path, alert, series, minute, firing):
    """promtool finds so many firing at that minute."""
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m", "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": f"{minute}m",
                              "exp_samples": [{"labels": "{}", "value": firing}]}]}]}))
    done = run("promtool", "test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_fault_in_the_rules():
    done = run("promtool", "check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_fault_for_every_alert():
    assert set(FAULTS) == set(alerts())


@pytest.mark.parametrize("alert", list(FAULTS))
def test_the_fault_fires_the_alert(tmp_path, alert):
    fault, minute, _ = FAULTS[alert]
    check(tmp_path, alert, fault, minute, firing=1)


@pytest.mark.parametrize("alert", list(FAULTS))
def test_less_than_the_fault_does_not(tmp_path, alert):
    _, minute, less = FAULTS[alert]
    check(tmp_path, alert, less, minute, firing=0)


def within(namespace, series):
    return {name.replace("{", f'{{namespace="{namespace}",', 1): values for name, values in series.items()}


def test_namespaces_may_answer_with_different_versions(tmp_path):
    series = within("one", version(A, 2, "1x60")) | within("two", version(B, 1, "1x60"))
    check(tmp_path, "FacepairVersionsDiffer", series, 2, firing=0)


@pytest.mark.parametrize("alert, fault, calm", [
    ("FacepairErrors", requests(A, 500, "0+3x60"), requests(B, 200, "0+9999x60")),
    ("FacepairOverloaded", requests(A, 503, "0+3x60"), requests(B, 200, "0+9999x60")),
    ("FacepairPhotographsUnusable", images("no_face", "0+3x90"), images("ok", "0+9999x90")),
])
def test_a_calm_namespace_does_not_hide_anothers_fault(tmp_path, alert, fault, calm):
    check(tmp_path, alert, within("one", fault) | within("two", calm), FAULTS[alert][1], firing=1)


def test_every_alert_has_a_line_in_the_runbook():
    headings = re.findall(r"^### (\w+)$", (TREE / "deploy" / "README.md").read_text(), re.M)
    assert sorted(headings) == sorted(alerts())
    assert f" {len(headings)} alerts," in (TREE / "deploy" / "README.md").read_text()
    for name, rule in alerts().items():
        assert rule["annotations"]["runbook_url"] == f"RUNBOOK#{name.lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_every_reason_of_a_refusal_is_in_the_runbook():
    sources = "".join(path.read_text() for path in (TREE / "server" / "http").glob("*.c"))
    statuses = re.findall(r'X\(\w+, (\d+), "(\w+)"', (TREE / "server" / "status.h").read_text())
    reasons = set(re.findall(r'listener_rejected\([^,;]+, "(\w+)"\)', sources))
    reasons |= {code for status, code in statuses if int(status) > 500 or code.startswith("subject_")}  # count_rejected() of api/work.c
    section = (TREE / "deploy" / "README.md").read_text().split("### What was refused")[1].split("\n### ")[0]
    firsts = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", "".join(firsts))) == reasons and len(reasons) > 10


def test_the_chart_says_where_the_runbook_is(objects):
    groups = objects["PrometheusRule", "facepair"]["spec"]["groups"]
    urls = [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]]
    assert len(urls) == len(FAULTS) and all(url.startswith("https://") and "README.md#facepair" in url for url in urls)
