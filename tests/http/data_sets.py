"""Archives of photographs, well made and otherwise, and the trainer's part of a job."""
import io
import subprocess
import tarfile

import service as under_test

DRIVE = under_test.BUILD / "tests" / "store_drive"
FINE_TUNES, EVALUATIONS, CALIBRATIONS = (f"/admin/v1/{kind}" for kind in ("fine-tunes", "evaluations", "calibrations"))


def archive(members, mode="w"):
    """A tar of (name, bytes) or of TarInfo objects, as it stands in memory."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode=mode) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            name, data = member
            information = tarfile.TarInfo(name)
            information.size = len(data)
            tar.addfile(information, io.BytesIO(data))
    return memory.getvalue()


def people(photograph, **counts):
    """[(name, bytes)] of so many photographs of each, all different."""
    return [(f"{person}/{person}_{i:04d}.jpg", photograph + f"{person}{i}".encode())
            for person, count in counts.items() for i in range(1, count + 1)]


def small_photograph():
    return (under_test.TREE / "tests" / "images" / "baseline-420.jpg").read_bytes()


def special(name, kind, link=""):
    information = tarfile.TarInfo(name)
    information.type = kind
    information.linkname = link
    return information


class Admin:
    """The admin listener of a service, and its store."""

    def __init__(self, service, data):
        self.service = service
        self.data = data

    def request(self, method, path, body=None, **headers):
        return self.service.request(method, path, body, under_test.dashed(headers), port=self.service.admin_port)

    def upload(self, name, body, query="", **headers):
        return self.request("PUT", f"/admin/v1/datasets/{name}{query}", body, **headers)

    def dataset(self, name):
        return self.request("GET", f"/admin/v1/datasets/{name}").json

    def create(self, members, path=FINE_TUNES, **headers):
        import json
        body = members if isinstance(members, (bytes, str)) else json.dumps(members)
        return self.request("POST", path, body, **{"Content_Type": "application/json"} | headers)

    def job(self, job, path=FINE_TUNES):
        return self.request("GET", f"{path}/{job}").json

    def tell(self, job, what, path=FINE_TUNES):
        return self.request("POST", f"{path}/{job}/{what}", b"", Content_Type="application/json")

    def drive(self, *arguments):
        """One step of a trainer; what it prints."""
        done = subprocess.run([DRIVE, self.data, *map(str, arguments)], capture_output=True, text=True,
                              timeout=under_test.PATIENCE_S)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def claim(self):
        """(id, attempt, number) of the job that waits longest."""
        return tuple(self.drive("claim").split())

    def ready(self, name, **counts):
        """A data set that may be used."""
        answer = self.upload(name, archive(people(small_photograph(), **counts or {"Ada": 2, "Bo": 2})))
        assert answer.status in (200, 201), answer.body
        self.drive("check", name, "ready")
        return answer.json
