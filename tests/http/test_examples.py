"""The clients of examples/ against the real program: each says what the server decided, and what was wrong."""
import subprocess

import pytest

import service as under_test
from test_keys import create

EXAMPLES = under_test.TREE / "examples"
CLIENTS = {
    "shell": [EXAMPLES / "verify.sh"],
    "python": ["/usr/bin/python3", EXAMPLES / "verify.py"],
    "javascript": ["node", EXAMPLES / "verify.mjs"],
}


@pytest.fixture(params=CLIENTS)
def client(request, real):
    def run(first, second, url=f"http://127.0.0.1:{real.port}", **environment):
        command = [*CLIENTS[request.param], url, under_test.PHOTOS / first, under_test.PHOTOS / second]
        return subprocess.run(command, capture_output=True, text=True, timeout=under_test.PATIENCE_S,
                              env=under_test.clean_environment() | environment)

    return run


def test_one_person_exits_0_with_the_distance(client):
    done = client("obama.jpg", "obama2.jpg")
    assert done.returncode == 0, done.stderr
    assert "0.35" in done.stdout


def test_two_people_exit_3(client):
    done = client("obama.jpg", "astronaut.png")
    assert done.returncode == 3, done.stderr
    assert "0.8" in done.stdout


def test_a_file_that_is_no_photograph_exits_1_and_is_named(client):
    done = client("obama.jpg", "README.md")
    assert done.returncode == 1
    assert "invalid_image" in done.stderr and "image2" in done.stderr
    assert done.stdout == ""


def test_a_server_with_keys_is_asked_with_the_key_of_the_environment(client, start_stub, tmp_path):
    key = create(tmp_path / "keys.json", "--scope", "verify")
    url = f"http://127.0.0.1:{start_stub('--keys-file', tmp_path / 'keys.json').port}"
    done = client("obama.jpg", "obama2.jpg", url=url, FACEPAIR_KEY=key)
    assert done.returncode in (0, 3) and done.stdout, done.stderr
    done = client("obama.jpg", "obama2.jpg", url=url)
    assert done.returncode == 1 and "unauthorized" in done.stderr


def test_no_server_exits_1_with_one_line(client):
    done = client("obama.jpg", "obama2.jpg", url="http://127.0.0.1:2")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_file_exits_1(client):
    done = client("obama.jpg", "nobody.jpg")
    assert done.returncode == 1
    assert done.stderr
