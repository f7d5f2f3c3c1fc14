"""The tools that tests/deploy/tools brings, and the chart as helm renders it."""
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

TREE = pathlib.Path(__file__).resolve().parents[2]
CHART = TREE / "deploy" / "helm" / "facepair"
TOOLS = pathlib.Path(os.environ["FACEPAIR_DEPLOY_TOOLS"]) / "bin"
sys.path.append(str(TREE / "tests" / "http"))


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=TREE, **options)


def helm_template(*values, chart=CHART):
    return run(TOOLS / "helm", "template", "facepair", chart, "--namespace", "facepair", *values)


VALUES = {"cpu": [], "gpu": ["--values", CHART / "values-gpu.yaml"]}


@pytest.fixture(scope="session", params=list(VALUES))
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def objects(kind):
    """{(kind, name): object} of the chart, tests included"""
    done = helm_template(*VALUES[kind])
    assert done.returncode == 0, done.stderr
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout) if each}


@pytest.fixture(scope="session")
def rules():
    return yaml.safe_load((CHART / "files" / "rules.yaml").read_text())["groups"]
