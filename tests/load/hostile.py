#!/usr/bin/python3
"""Requests made of valid ones by a seeded hand: bits of the photographs turned, parts cut out, doubled and swapped, header lines
and framing changed. The real program decodes and detects. A run passes when the program lives, every answer is one that
openapi.yaml allows, no connection is silent for longer than PATIENCE_S, and valid requests in between are answered as ever.

usage: hostile.py [--build BUILD] [--requests N] [--seed N] [--clients N] [--first N]      (`make chaos`: 40,000)

--first: begins with this one, to repeat some of the --requests that a seed stands for.
"""
import argparse
import collections
import io
import json
import pathlib
import random
import re
import socket
import sys
import threading

from PIL import Image

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "http"))
import service as under_test  # noqa: E402

PATIENCE_S = 60
SILENCE_S = 0.5  # after it, a client that has announced more than it sends says that it has nothing more to say
VALID_EVERY = 250
# What a request may be answered with 5xx for; an internal error is a fault of ours.
EXPLAINED = {"overloaded", "deadline_exceeded"}
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
    lines = [f"POST {draw.choice(('/v1/verify', '/verify', '/v1/embeddings', '/v1/compare'))} HTTP/1.1", "Host: localhost",
             f"Content-Type: {content_type}"]
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
    """All that comes back; None: the connection stayed silent."""
    text = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(SILENCE_S)
            while True:
                try:
                    piece = connection.recv(65536)
                except TimeoutError:
                    if text:  # answered, and the connection kept
                        return text
                    if connection.gettimeout() == PATIENCE_S:
                        return None
                    if asks_for_work(data):
                        connection.settimeout(PATIENCE_S)  # a busy machine: the whole request is there
                        continue
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(PATIENCE_S)
                    continue
                if not piece:
                    return text
                text += piece
                connection.settimeout(SILENCE_S)
        except ConnectionError:
            return text


def asks_for_work(data):
    """The framing is whole as far as can be told, so an answer is owed."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)\r?$", head, re.MULTILINE)
    return bool(length) and int(length[1]) <= len(body)


def judge(text):
    """What is wrong with the answer, or None; and what it was."""
    if text is None:
        return "silence", "silence"
    if not text:
        return None, "closed"
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", text)
    if not match:
        return "no HTTP answer", "garbage"
    status = int(match[1])
    if status == 100:
        return judge(text.partition(b"\r\n\r\n")[2])
    if status < 500 or status == 505:  # 505: libmicrohttpd's, of another version
        return None, str(status)
    code = re.search(rb'"code":"([a-z_]+)"', text)
    name = code[1].decode() if code else "unexplained"
    return None if name in EXPLAINED else f"{status} {name}", f"{status} {name}"


class Run:
    def __init__(self, service, arguments):
        self.service, self.arguments = service, arguments
        self.photos = photographs()
        self.lock = threading.Lock()
        self.next, self.counts, self.faults = arguments.first, collections.Counter(), []

    def take(self):
        with self.lock:
            self.next += 1
            return self.next - 1 if self.next <= self.arguments.requests else None

    def client(self):
        while (number := self.take()) is not None:
            draw = random.Random(f"{self.arguments.seed}/{number}")
            kind, data = request_of(draw, self.photos)
            try:
                wrong, what = judge(converse(self.service.port, data))
                if not wrong and number % VALID_EVERY == 0:
                    wrong = self.valid()
            except OSError as error:
                wrong, what = f"cannot connect: {error}", "no connection"
            with self.lock:
                self.counts[f"{kind}: {what}"] += 1
                if wrong:
                    self.faults.append((number, kind, wrong))

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
    died = service.process.poll() is not None
    code = service.stop()
    for name, count in sorted(run.counts.items()):
        print(f"{count:7} {name}")
    for number, kind, wrong in run.faults[:20]:
        print(f"request {number} of seed {arguments.seed} ({kind}): {wrong}")
    print(f"{sum(run.counts.values())} requests, {len(run.faults)} faults, exit code {code}{', died' if died else ''}")
    return 1 if run.faults or code or died else 0


if __name__ == "__main__":
    sys.exit(main())
