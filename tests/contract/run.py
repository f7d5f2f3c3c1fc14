#!/usr/bin/env python3
"""Schemathesis against the stub program: whatever openapi.yaml allows and forbids, in generated requests, on both listeners.

usage: run.py --build BUILD --schemathesis PROGRAM [--examples N] [--seed N]
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(TREE / "tests" / "http"))
import service as under_test  # noqa: E402

SCOPES = "verify,embed,embed:raw,models:read,metrics:read,datasets:write,jobs:write,models:promote,subjects:write"


def make_key(program, path):
    return subprocess.run([program, "key", "create", "--keys-file", path, "--scope", SCOPES], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def check(arguments, port, key, paths):
    command = [arguments.schemathesis, "--config-file", HERE / "schemathesis.toml", "run", TREE / "openapi.yaml",
               "--url", f"http://127.0.0.1:{port}", "--include-path-regex", paths, "--checks", "all",
               "--phases", "examples,coverage,fuzzing", "--max-examples", str(arguments.examples), "--seed", str(arguments.seed),
               "--header", f"Authorization: Bearer {key}", "--continue-on-failure", "--no-color"]
    return subprocess.run(command, env=os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=TREE / "build")
    parser.add_argument("--schemathesis", required=True)
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facepair-contract-") as folder:
        folder = pathlib.Path(folder)
        data = under_test.write_stub_data(folder / "data", dlib_resnet={})
        key = make_key(arguments.build / "facepair", folder / "keys.json")
        service = under_test.Service(arguments.build / "tests" / "facepair-stub", data, "--keys-file", folder / "keys.json",
                                     "--allow-raw-embeddings", "--log-level", "info")
        failed = check(arguments, service.port, key, "^/(v1/|verify|openapi|livez|healthz|readyz|startupz)")
        failed = check(arguments, service.admin_port, key, "^/(admin/|metrics)") or failed
        exited = service.stop()
    return 1 if failed or exited else 0


if __name__ == "__main__":
    sys.exit(main())
