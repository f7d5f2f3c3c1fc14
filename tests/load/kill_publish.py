#!/usr/bin/python3
"""Kills writers of DATA/models by SIGKILL at random moments, and looks whether the next start serves something whole.

usage: tests/load/kill_publish.py [--build build] [--kills 50] [--seed 1]

Three kinds in turn: `facepair import vit` into a model that is there or a new one; a server that promotes back and forth; a
server that deletes versions. After each kill a server must start on what is left; every version that it lists must promote, that
is, have the weights of its card; `active` must name the version from before or the one that was to be; and the next import must
leave nothing unfinished. The server is facepair-stub: it looks at cards and hashes like the real one, and starts at once.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
TREE = TESTS.parent
sys.path.insert(0, str(TESTS / "http"))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=TREE / "build")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


OPTIONS = arguments()
os.environ["FACEPAIR_BUILD"] = str(OPTIONS.build.resolve())
import service
from versions import Version

GOLDEN = TESTS / "parity" / "vit" / "notebook"
JSON = {"Content-Type": "application/json"}


def import_command(data, name):
    return [service.PROGRAM, "import", "vit", "--weights", GOLDEN / "weights.safetensors", "--config", GOLDEN / "config.json",
            "--name", name, "--data", data]


def promote(server, name, version):
    return server.request("PUT", f"/admin/v1/models/{name}/active", json.dumps({"version": version}), JSON,
                          port=server.admin_port).status


def delete(server, name, version):
    return server.request("DELETE", f"/admin/v1/models/{name}@{version}", port=server.admin_port).status


def active(data, name):
    return (data / "models" / name / "active").read_text().strip()


def numbers(data, name):
    """The versions on disk"""
    return sorted((entry.name for entry in (data / "models" / name).iterdir() if entry.name.isdigit()), key=int)


def unfinished(data):
    models = data / "models"
    return [path for pattern in (".new-*", "*/.new-*", "*/.gone-*", "*/active.*", "*/largest.*") for path in models.glob(pattern)]


class Trial:
    def __init__(self, data, drawn):
        self.data, self.drawn = data, drawn
        self.given = 0  # the largest number that "grown" was seen to have
        self.import_s = self.measure_import()

    def measure_import(self):
        began = time.monotonic()
        subprocess.run(import_command(self.data, "grown"), check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began

    def kill_import(self):
        """Of the time that an import takes, nearly all is the program's start; so most kills fall into the end."""
        name = self.drawn.choice(["grown", f"new-{self.drawn.randrange(10**6)}"])
        process = subprocess.Popen(import_command(self.data, name), stdout=subprocess.DEVNULL)
        temporary = self.data / "models"
        end = time.monotonic() + 10
        while process.poll() is None and not list(temporary.glob("**/.new-*")) and time.monotonic() < end:
            pass
        time.sleep(self.drawn.uniform(0, 0.02))
        process.kill()
        process.wait()
        return f"import into {name}"

    def kill_server(self, act):
        """A server that does the same thing again and again dies within 50 ms."""
        server = service.Service(service.STUB, self.data)

        def work():
            try:
                while True:
                    act(server)
            except (OSError, ConnectionError, service.http.client.HTTPException):
                pass
        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(self.drawn.uniform(0.005, 0.05))
        server.process.kill()
        server.wait()
        worker.join()

    def kill_promotion(self):
        versions = [self.drawn.sample(numbers(self.data, "dlib-resnet"), 2)]

        def act(server):
            for version in versions[0]:
                assert promote(server, "dlib-resnet", version) == 200
        self.kill_server(act)
        assert active(self.data, "dlib-resnet") in versions[0] + ["1"], "active names another version"
        return "promotion"

    def kill_deletion(self):
        first = Version(self.data, "dlib-resnet", "1")
        top = max(int(number) for number in numbers(self.data, "dlib-resnet"))
        doomed = [str(top + 1 + i) for i in range(40)]
        for number in doomed:
            first.copy(number)
        waiting = iter(doomed)
        self.kill_server(lambda server: delete(server, "dlib-resnet", next(waiting, "999999999")))
        return "deletion"

    def check(self):
        """What the next start serves. Returns how much was left unfinished by the dead."""
        left = len(unfinished(self.data))
        server = service.Service(service.STUB, self.data)
        listed = server.get("/admin/v1/models", server.admin_port).json["data"]
        names = {entry["name"] for entry in listed}
        assert {entry.name for entry in (self.data / "models").iterdir() if not entry.name.startswith(".")} == names
        for name in names:
            before = active(self.data, name)
            for number in numbers(self.data, name):
                assert promote(server, name, number) == 200, f"{name}@{number} is not whole: {server.log[-3:]}"
            assert promote(server, name, before) == 200
        self.clear(server)
        assert server.stop() == 0
        subprocess.run(import_command(self.data, "grown"), check=True, stdout=subprocess.DEVNULL)
        assert not unfinished(self.data), unfinished(self.data)
        largest = int(numbers(self.data, "grown")[-1])
        assert largest > self.given, f"the number {largest} was given twice"
        self.given = largest
        return left

    def clear(self, server):
        """Few versions, so that the next trial is quick."""
        for number in numbers(self.data, "grown"):
            delete(server, "grown", number)  # all but the active one
        for number in numbers(self.data, "dlib-resnet"):
            if int(number) > 3:
                promote(server, "dlib-resnet", "1")
                assert delete(server, "dlib-resnet", number) == 204
        for path in (self.data / "models").glob("new-*"):
            shutil.rmtree(path)


def main():
    drawn = random.Random(OPTIONS.seed)
    left, done = 0, []
    with tempfile.TemporaryDirectory() as folder:
        data = service.write_stub_data(pathlib.Path(folder) / "data", dlib_resnet={})
        for number in ("2", "3"):
            Version(data, "dlib-resnet", "1").copy(number)
        trial = Trial(data, drawn)
        for kill in range(OPTIONS.kills):
            done.append([trial.kill_import, trial.kill_promotion, trial.kill_deletion][kill % 3]())
            left += trial.check()
    print(f"{len(done)} kills ({sum(what.startswith('import') for what in done)} of imports, {done.count('promotion')} of "
          f"promotions, {done.count('deletion')} of deletions): each start served whole versions; {left} unfinished things "
          "of the dead were passed over and swept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
