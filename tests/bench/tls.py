#!/usr/bin/env python3
"""What TLS costs the loop thread, which does all of it.

    tests/bench/tls.py --build build [--seconds 5]

Printed for the stub service, in processor time of its process: a new connection with one GET /livez, with certificates of ECDSA
P-256 and RSA 2048 (by openssl s_time); and a POST of two photographs of 20 KB on kept connections, plain and over TLS (by wrk,
16 clients). Processor time and not rates, since the client's half of a handshake costs as much.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import load

CLIENTS = 16
KEYS = {"ECDSA P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "RSA 2048": ["-newkey", "rsa:2048"]}


def certificate(folder, name, key):
    file, secret = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", *key, "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", secret, "-out", file],
                   check=True, capture_output=True)
    return ["--tls-certificate", str(file), "--tls-key", str(secret)]


def start(build, data, options):
    """The server, and its public address; it is asked whether it is ready on its metrics listener, which is plain."""
    public, metrics = (f"127.0.0.1:{load.free_port()}" for _ in range(2))
    command = [str(build / "tests/facepair-stub"), "serve", "--data", str(data), "--no-trainer", "--log-level", "error", "--listen", public,
               "--admin-listen", "off", "--metrics-listen", metrics, *options]
    return load.Server(command, f"http://{metrics}", "/readyz"), public


def handshake_us(server, public, seconds):
    before = server.cpu_s()
    done = subprocess.run(["openssl", "s_time", "-connect", public, "-new", "-time", str(seconds), "-www", "/livez"],
                          capture_output=True, text=True, check=True)
    return (server.cpu_s() - before) * 1e6 / int(re.search(r"(\d+) connections in \d+ real seconds", done.stdout)[1])


def post_us(server, url, bodies, seconds):
    before = server.cpu_s()
    result = load.wrk(url + "/v1/verify", bodies, 1, CLIENTS, seconds)
    if result["faults"]:
        raise SystemExit(f"{result['faults']} answers were faults")
    return (server.cpu_s() - before) * 1e6 / result["answers"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data, bodies = load.small_model(folder / "data"), load.write_stub_body(folder)
        server, public = start(options.build.resolve(), data, [])
        with server:
            print(f"POST, plain               {post_us(server, f'http://{public}', bodies, options.seconds):8.1f} µs")
        for key, arguments in KEYS.items():
            server, public = start(options.build.resolve(), data, certificate(folder, key.split()[0], arguments))
            with server:
                print(f"connection, {key:12}  {handshake_us(server, public, options.seconds):8.1f} µs")
                print(f"POST, {key:12}        {post_us(server, f'https://{public}', bodies, options.seconds):8.1f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
