#!/usr/bin/python3
"""Requests made of valid ones by a seeded hand: bits of the photographs turned, parts cut out, doubled and swapped, header lines
and framing changed. The real program decodes and detects. A run passes when the program lives, no connection is silent for longer
than PATIENCE_S, valid requests in between are answered as ever, and every answer on a connection has a status and a code that
openapi.yaml lists for its path, or is libmicrohttpd's own to what is no request. Of the 5xx those alone are allowed that a crowd
explains. What a 504 was answered to is sent again when the crowd has gone: then it must be in time, and there must be few of them.

usage: hostile.py [--build BUILD] [--requests N] [--seed N] [--clients N] [--first N]      (`make chaos`: 40,000)

--first: begins with this one, to repeat some of the --requests that a seed stands for.
"""
import argparse
import collections
import contextlib
import io
import json
import pathlib
import random
import re
import socket
import sys
import threading

import yaml
from PIL import Image

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "http"))
import contract  # noqa: E402
import service as under_test  # noqa: E402

PATIENCE_S = 60
SILENCE_S = 0.5  # after it, a client that has announced more than it sends says that it has nothing more to say
VALID_EVERY = 250
LATE_SHARE_MAX = 0.01
PATHS = ("/v1/verify", "/verify", "/v1/embeddings", "/v1/compare")
# What a request may be answered with 5xx for; an internal error is a fault of ours.
EXPLAINED = {"overloaded", "deadline_exceeded"}
OF_LIBMICROHTTPD = {400, 413, 414, 431, 505}  # in HTML, without an X-Request-Id
CLIENT_LEFT = 499  # to one who has half-closed
NAMES = ["Content-Length", "Transfer-Encoding", "Host", "Expect", "Content-Type", "Content-Encoding", "Connection", "X-Request-Id",
         "X-Request-Timeout-Ms", "Origin", "Authorization", "Upgrade"]
VALUES = ["", "0", "-1", "1", "99999999999999999999", "chunked", "gzip, chunked", "100-continue", "localhost", "a" * 20000,
          "multipart/form-data; boundary=", "application/json", "\t", "close", "%s%n", "\x7f"]


def photographs():
    """Small ones in each format, so that most of the time goes into reading and not into looking for faces."""
    found = []
    for name in ("obama.jpg", "biden.jpg"):
        image = Image.open(under_test.PHOTOS / name).convert("RGB")
        image.thumbnail((400, 400))
        for options in ({"format": "JPEG", "quality": 85}, {"format": "JPEG", "quality": 70, "progressive": True},
                        {"format": "PNG"}, {"format": "WEBP", "quality": 70}, {"format": "WEBP", "lossless": True}):
            out = io.BytesIO()
            image.save(out, **options)
            found.append(out.getvalue())
    return found


def turn_bits(draw, data):
    data = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def cut_out(draw, data):
    begin = draw.randrange(len(data))
    return data[:begin] + data[begin + draw.randrange(1, 4096):]


def double(draw, data):
    begin = draw.randrange(len(data))
    end = begin + draw.randrange(1, 4096)
    return data[:end] + data[begin:end] + data[end:]


def swap(draw, data):
    at = sorted(draw.randrange(len(data)) for _ in range(4))
    return data[:at[0]] + data[at[2]:at[3]] + data[at[1]:at[2]] + data[at[0]:at[1]] + data[at[3]:]


def fill(draw, data):
    begin, size = draw.randrange(len(data)), draw.randrange(1, 64)
    return data[:begin] + bytes([draw.choice((0, 0xff, 0x7f, 0x0a))]) * size + data[begin + size:]


CHANGES = [turn_bits, turn_bits, turn_bits, cut_out, double, swap, fill]


def body_of(draw, first, second):
    """(body, content type)"""
    options = draw.choice(([], [("max_fmr", "0.01")], [("threshold", "0.5")], [("face", "only")], [("model", "dlib-resnet")]))
    if draw.random() < 0.3:
        members = {"image1": under_test.encoded(first), "image2": under_test.encoded(second)}
        members |= {name: float(value) if name in ("max_fmr", "threshold") else value for name, value in options}
        return json.dumps(members).encode(), "application/json"
    return under_test.multipart([("image1", first), ("image2", second), *options])


def chunked(draw, body):
    out, at = b"", 0
    while at < len(body):
        size = min(draw.randrange(1, 8192), len(body) - at)
        out += b"%x\r\n" % size + body[at:at + size] + b"\r\n"
        at += size
    return out + b"0\r\n\r\n"


def changed_head(draw, lines):
    lines = list(lines)
    at = draw.randrange(len(lines))
    way = draw.randrange(6)
    if way == 0:
        lines.insert(at + 1, f"{draw.choice(NAMES)}: {draw.choice(VALUES)}")
    elif way == 1:
        lines.insert(at, lines[at])
    elif way == 2 and len(lines) > 1:
        del lines[at]
    elif way == 3:
        lines[at] = lines[at].replace(":", draw.choice((" :", "", "::", "\0:")), 1)
    elif way == 4:
        lines[at] = re.sub(r"\d+", lambda match: str(int(match[0]) + draw.choice((-1, 1, 100, -100))), lines[at])
    return draw.choice(("\r\n", "\r\n", "\r\n", "\n", "\r\n ", "\r")).join(lines).encode("latin-1")


def request_of(draw, photos):
    """(what was changed, bytes)"""
    first, second = draw.choice(photos), draw.choice(photos)
    kind = draw.choice(("image", "image", "image", "body", "head", "framing", "bytes"))
    if kind == "image":
        first = draw.choice(CHANGES)(draw, first)
        if draw.random() < 0.3:
            second = draw.choice(CHANGES)(draw, second)
    elif draw.random() < 0.8:  # small parts where they are not what is looked at
        first, second = first[:64], second[:64]
    body, content_type = body_of(draw, first, second)
    if kind == "body":
        body = draw.choice(CHANGES)(draw, body)
    lines = [f"POST {draw.choice(PATHS)} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}"]
    if draw.random() < 0.3:
        lines, body = [*lines, "Transfer-Encoding: chunked"], chunked(draw, body)
    else:
        lines = [*lines, f"Content-Length: {len(body)}"]
    if kind == "framing" and "chunked" in lines[-1]:
        body = draw.choice(CHANGES)(draw, body)
    elif kind == "framing":
        lines[-1] = f"Content-Length: {max(0, len(body) + draw.choice((-1000, -1, 1, 1000, 1 << 31)))}"
    head = changed_head(draw, lines) if kind == "head" else "\r\n".join(lines).encode()
    data = head + b"\r\n\r\n" + body
    return kind, draw.choice(CHANGES)(draw, data) if kind == "bytes" else data


def converse(port, data):
    """(all that comes back, whether the client half-closed before it came); None: the connection stayed silent."""
    text, left = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(SILENCE_S)
            while True:
                try:
                    piece = connection.recv(65536)
                except TimeoutError:
                    if connection.gettimeout() == PATIENCE_S:
                        return None, left
                    connection.settimeout(PATIENCE_S)
                    if text or not asks_for_work(data):  # else a busy machine: the whole request is there
                        left = True
                        with contextlib.suppress(OSError):  # it may be closed by now
                            connection.shutdown(socket.SHUT_WR)
                    continue
                if not piece:
                    return text, left
                text += piece
                if not left:
                    connection.settimeout(SILENCE_S)
        except ConnectionError:
            return text, left


def asks_for_work(data):
    """The framing is whole as far as can be told, so an answer is owed."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)\r?$", head, re.MULTILINE)
    return bool(length) and int(length[1]) <= len(body)


def answers(text):
    """[(status, header, body)] by their framing; None stands for what is no answer. The last body may be cut short."""
    found = []
    while text:
        head, end, text = text.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        if not match:
            return [*found, None]
        if match[1] == b"100":
            continue
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        size = int(length[1]) if length else 0
        if b"\r\nX-Request-Id: " not in head:
            size = len(text)  # libmicrohttpd's own, and the last: its header may come twice
        found.append((int(match[1]), head, text[:size]))
        text = text[size:]
    return found


def code_of(body):
    """Of a problem; None: of none, or cut short."""
    try:
        return json.loads(body)["code"]
    except (ValueError, KeyError, TypeError):
        return None


class Judge:
    """What openapi.yaml lists for each path, and whether an answer is of it."""

    def __init__(self):
        document = yaml.safe_load((TREE / "openapi.yaml").read_text())
        self.listed = {}
        for path in PATHS:
            operation = contract.resolve(document, document["paths"][path])["post"]
            codes = contract.documented_codes(document, operation)
            self.listed[path] = codes | {(status, None) for status in operation["responses"] if status.startswith("2")}
        self.any = set().union(*self.listed.values())

    def allowed(self, data, first):
        """What stands behind the first request, and whatever has no known path, may have been taken for a request for any."""
        match = re.match(rb"POST (/[a-z0-9/]+) HTTP/1\.1\r?\n", data)
        return self.listed.get(match[1].decode(), self.any) if match and first else self.any

    def one(self, answer, allowed, left):
        """(what is wrong with it or None, what it is)"""
        if answer is None:
            return "no HTTP answer", "garbage"
        status, head, body = answer
        if b"\r\nX-Request-Id: " not in head:
            return None if status in OF_LIBMICROHTTPD else f"{status} of libmicrohttpd", f"{status} of libmicrohttpd"
        code = code_of(body)
        name = f"{status} {code}" if code else str(status)
        known = (str(status), code) in allowed or ("default", code) in allowed or (status == CLIENT_LEFT and left)
        if status >= 500 and code not in EXPLAINED:
            known = False
        return None if known else f"{name}, which is not allowed", name

    def all(self, text, data, left):
        """(what is wrong, or None; what they are) of all that came on a connection"""
        if text is None:
            return "silence", "silence"
        judged = [self.one(answer, self.allowed(data, i == 0), left) for i, answer in enumerate(answers(text))]
        wrong = [fault for fault, _ in judged if fault]
        return "; ".join(wrong) or None, ", ".join(name for _, name in judged) or "closed"


class Run:
    def __init__(self, service, arguments):
        self.service, self.arguments = service, arguments
        self.photos, self.judge = photographs(), Judge()
        self.lock = threading.Lock()
        self.next, self.counts, self.faults, self.late = arguments.first, collections.Counter(), [], []

    def take(self):
        with self.lock:
            self.next += 1
            return self.next - 1 if self.next <= self.arguments.requests else None

    def send(self, number):
        """(what was changed, what is wrong with the answers or None, what they are)"""
        draw = random.Random(f"{self.arguments.seed}/{number}")
        kind, data = request_of(draw, self.photos)
        try:
            text, left = converse(self.service.port, data)
        except OSError as error:
            return kind, f"cannot connect: {error}", "no connection"
        return kind, *self.judge.all(text, data, left)

    def client(self):
        while (number := self.take()) is not None:
            kind, wrong, what = self.send(number)
            if not wrong and number % VALID_EVERY == 0:
                wrong = self.valid()
            with self.lock:
                self.counts[f"{kind}: {what}"] += 1
                if wrong:
                    self.faults.append((number, kind, wrong))
                if "504 " in what:
                    self.late.append(number)

    def repeat_late(self):
        """Others may make a request late, what it asks for itself must not."""
        for number in self.late:
            kind, wrong, what = self.send(number)
            if wrong or "504 " in what:
                self.faults.append((number, kind, f"alone: {wrong or what}"))

    def valid(self):
        answer = self.service.verify([("image1", self.photos[0]), ("image2", self.photos[5])], X_Request_Timeout_Ms="60000")
        return None if answer.status == 200 and not answer.json["verified"] else f"a valid request is answered {answer.status}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=TREE / "build")
    parser.add_argument("--requests", type=int, default=40000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    service = under_test.Service(arguments.build / "facepair", under_test.DATA, "--no-trainer")
    run = Run(service, arguments)
    clients = [threading.Thread(target=run.client) for _ in range(arguments.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    asked = sum(run.counts.values())
    too_many = len(run.late) > asked * LATE_SHARE_MAX
    if not too_many:
        run.repeat_late()
    died = service.process.poll() is not None
    code = service.stop()
    for name, count in sorted(run.counts.items()):
        print(f"{count:7} {name}")
    for number, kind, wrong in run.faults[:20]:
        print(f"request {number} of seed {arguments.seed} ({kind}): {wrong}")
    print(f"{asked} requests, {len(run.late)} past their deadline{', too many' if too_many else ''}, {len(run.faults)} faults, "
          f"exit code {code}{', died' if died else ''}")
    return 1 if run.faults or too_many or code or died else 0


if __name__ == "__main__":
    sys.exit(main())
