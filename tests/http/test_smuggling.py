"""Bytes that two readers may cut differently, through HAProxy: what it refuses, and that the server sees no request that the
proxy has not sent as one. docs/smuggling.md lists the cases; tests/unit/test_http_smuggling.c sends them without a proxy."""
import re
import socket
import subprocess

import pytest
from service import PATIENCE_S

HIDDEN = b"GET /v1/models/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CONFIGURATION = """
defaults
    mode http
    timeout connect 30s
    timeout client 30s
    timeout server 30s
frontend public
    bind fd@{listening}
    default_backend service
backend service
    server one 127.0.0.1:{server}
"""


@pytest.fixture(scope="module")
def service(start_stub):
    return start_stub("--no-trainer")


@pytest.fixture(scope="module")
def proxy(service, tmp_path_factory):
    """The port of HAProxy in front of the service. It takes over a socket that listens already."""
    path = tmp_path_factory.mktemp("haproxy") / "haproxy.cfg"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        path.write_text(CONFIGURATION.format(listening=listening.fileno(), server=service.port))
        process = subprocess.Popen(["haproxy", "-f", path, "-db"], pass_fds=[listening.fileno()], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        port = listening.getsockname()[1]
    yield port
    process.terminate()
    process.wait(timeout=PATIENCE_S)


def counts(service):
    """(how many requests the public listener has answered, how many headers libmicrohttpd has refused before it saw them)"""
    text = service.get("/metrics", service.admin_port).body.decode()
    seen = {}
    for route, count in re.findall(r'facepair_http_requests_total\{route="([^"]*)",[^}]*\} (\d+)', text):
        seen[route] = seen.get(route, 0) + int(count)
    assert "/v1/models/{model}" not in seen, "the hidden request was seen"
    seen.pop("/metrics", None)
    malformed = re.search(r'facepair_rejected_total\{reason="malformed"\} (\d+)', text)
    return sum(seen.values()), int(malformed[1]) if malformed else 0


def converse(service, port, data):
    """(the answers as they came, how many requests the server has answered meanwhile, how many headers it has not seen)"""
    before, text = counts(service), b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        try:
            while piece := connection.recv(65536):
                text += piece
        except ConnectionError:
            pass
    seen, malformed = (now - then for now, then in zip(counts(service), before))
    return re.findall(rb"HTTP/1\.1 \d{3} .*?(?=HTTP/1\.1 \d{3} |\Z)", text, re.DOTALL), seen, malformed


def status(answer):
    return int(answer.split()[1])


REFUSED = {
    "two_content_lengths": POST + b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n" + HIDDEN,
    "a_list_of_content_lengths": POST + b"Content-Length: 0, 50\r\n\r\n" + HIDDEN,
    "a_signed_content_length": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "gzip_besides_chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "an_unknown_transfer_encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked_twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "two_hosts": b"GET /v1/info HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n" + HIDDEN,
    "a_blank_before_the_colon": POST + b"Content-Length : 50\r\n\r\n" + HIDDEN,
    "a_first_line_that_begins_with_a_blank": b"POST /v1/verify HTTP/1.1\r\n Content-Length: 50\r\nHost: localhost\r\n\r\n" + HIDDEN,
    "a_bare_carriage_return": POST + b"X: a\rContent-Length: 50\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a_nul_in_a_name": POST + b"Content-Length\0x: 50\r\n\r\n" + HIDDEN,
    "a_request_line_with_a_word_too_many": b"GET /v1/info HTTP/1.1 x\r\nHost: localhost\r\n\r\n" + HIDDEN,
    "a_target_that_names_another_host": b"GET http://evil/v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_proxy_refuses(service, proxy, name):
    """In its own words: libmicrohttpd, who answers 400 too, has others."""
    [answer], seen, malformed = converse(service, proxy, REFUSED[name])
    assert status(answer) in (400, 422) and b"\r\n\r\n<html><body><h1>%d " % status(answer) in answer
    assert (seen, malformed) == (0, 0)


ONE_REQUEST = {
    "equal_content_lengths": POST + LENGTH + LENGTH + b"\r\n" + HIDDEN,
    "content_length_with_transfer_encoding": POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "a_folded_header_line": POST + b"X: a\r\n Content-Length: 500\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "bare_line_feeds": (POST + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + HIDDEN,
    "chunk_extensions": POST + CHUNKED + b"\r\n%x;a=\"\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0;x\r\n\r\n",
    "trailers": POST + CHUNKED + b"\r\n0\r\n" + LENGTH + b"Host: evil\r\n\r\n",
    "a_chunked_request_of_http_1_0": POST.replace(b"HTTP/1.1", b"HTTP/1.0") + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("name", ONE_REQUEST)
def test_the_server_sees_one_request(service, proxy, name):
    answers, seen, malformed = converse(service, proxy, ONE_REQUEST[name])
    assert [status(answer) for answer in answers] == [400]  # HIDDEN is no JSON, and an empty body is none
    assert (seen, malformed) == (1, 0)


BROKEN = {
    "a_signed_chunk_size": POST + CHUNKED + b"\r\n-1\r\n\r\n" + HIDDEN,
    "a_prefixed_chunk_size": POST + CHUNKED + b"\r\n0x0\r\n\r\n" + HIDDEN,
    "a_chunk_longer_than_its_size": POST + CHUNKED + b"\r\n1\r\nab\r\n0\r\n\r\n" + HIDDEN,
    "a_nul_in_a_value": POST + b"X: a\0b\r\n" + LENGTH + b"\r\n" + HIDDEN,
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_hidden_request_is_not_seen(service, proxy, name):
    """Whoever ends it, the proxy or the server."""
    answers, seen, malformed = converse(service, proxy, BROKEN[name])
    assert len(answers) <= 1 and seen + malformed <= 1
    assert all(status(answer) >= 400 for answer in answers)
