"""What people and attackers send, against the real program: each gets its documented answer, and the service goes on."""
import json

import contract
import photographs
import pytest
from PIL import Image
from service import encoded, head, photo, read_answer

PERSON = photo("obama.jpg")


@pytest.fixture(autouse=True)
def still_serves(real):
    yield
    assert real.get("/readyz").status == 200


def refused(real, openapi, answer, status, *codes):
    contract.check_problem(openapi, "/v1/verify", "post", answer, status, codes[0][0])
    assert answer.codes == list(codes)


PHOTOGRAPHS = {
    "truncated JPEG": (PERSON[:len(PERSON) // 2], "invalid_image"),
    "truncated to its header": (PERSON[:300], "invalid_image"),
    "text called .jpg": (b"This is not a photograph.\n" * 20, "invalid_image"),
    "one byte": (b"\xff", "invalid_image"),
    "65,500 x 65,500 JPEG": (photographs.claims(65500, 65500), "image_too_large"),
    "65,500 x 65,500 PNG": (photographs.png_claims(65500, 65500), "image_too_large"),
    "long and thin": (photographs.claims(4000, 100), "image_too_large"),
    "10,000 scans": (photographs.many_scans(), "invalid_image"),
    "GIF": (photographs.saved(Image.new("P", (64, 64)), "GIF"), "unsupported_image_format"),
    "BMP": (photographs.saved(Image.new("RGB", (64, 64)), "BMP"), "unsupported_image_format"),
    "TIFF": (photographs.saved(Image.new("RGB", (64, 64)), "TIFF"), "unsupported_image_format"),
    "1 x 1": (photographs.saved(Image.new("RGB", (1, 1))), "no_face"),
    "blank": (photographs.blank(), "no_face"),
    "noise": (photographs.noise(), "no_face"),
    "landscape": (photographs.landscape(), "no_face"),
    "a small portrait": (photographs.small_face(), "face_too_small"),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_that_cannot_be_used(real, openapi, name):
    data, code = PHOTOGRAPHS[name]
    refused(real, openapi, real.verify([("image1", PERSON), ("image2", data)]), 422, (code, "image2"))
    refused(real, openapi, real.verify_json({"image1": encoded(data), "image2": encoded(PERSON)}), 422, (code, "image1"))


def test_both_photographs_are_looked_at_before_answering(real, openapi):
    answer = real.verify([("image1", photographs.blank()), ("image2", PERSON[:1000])])
    refused(real, openapi, answer, 422, ("no_face", "image1"), ("invalid_image", "image2"))


def test_several_people_where_one_is_asked_for(real, openapi):
    group = photographs.group()
    refused(real, openapi, real.verify([("image1", group), ("image2", PERSON), ("face", "only")]), 422,
            ("many_faces", "image1"))
    refused(real, openapi, real.verify([("image1", PERSON), ("image2", group), ("face2", "only")]), 422,
            ("many_faces", "image2"))
    assert real.verify([("image1", group), ("image2", PERSON), ("face2", "only")]).status == 200


def test_unsupported_formats_are_named(real):
    data, _ = PHOTOGRAPHS["GIF"]
    assert "gif" in real.verify([("image1", data), ("image2", PERSON)]).json["detail"].lower()


@pytest.mark.parametrize("content_type, code", [
    ("multipart/form-data; boundary=x", "invalid_multipart"), ("application/json", "invalid_json"),
    ("text/plain", "unsupported_media_type"), (None, "unsupported_media_type")])
def test_an_empty_body(real, openapi, content_type, code):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = real.request("POST", "/v1/verify", b"", headers)
    refused(real, openapi, answer, 415 if code.startswith("un") else 400, (code, None))


def test_fields_missing_unknown_and_repeated(real, openapi):
    answer = real.verify([("image1", PERSON), ("max_fnr", "0.1"), ("face", "only"), ("face", "only")])
    refused(real, openapi, answer, 400, ("unknown_field", "max_fnr"), ("duplicate_field", "face"), ("missing_field", "image2"))


def test_both_threshold_and_max_fmr(real, openapi):
    members = {"image1": encoded(PERSON), "image2": encoded(PERSON), "threshold": 0.5, "max_fmr": 0.001}
    refused(real, openapi, real.verify_json(members), 400, ("invalid_field", "threshold"))


def test_base64_with_bad_characters(real, openapi):
    members = {"image1": encoded(PERSON)[:-10] + "é" + "=" * 9, "image2": "####"}
    refused(real, openapi, real.verify_json(members), 400, ("invalid_field", "image1"), ("invalid_field", "image2"))


@pytest.mark.parametrize("text", ["[" * 10000 + "]" * 10000, '{"a":' * 10000 + "1" + "}" * 10000, "[" * 1000000,
                                  json.dumps({"image1": [0] * 1000000})], ids=["lists", "objects", "open", "wide"])
def test_json_that_would_cost_memory_or_stack(real, openapi, text):
    refused(real, openapi, real.verify_json(text), 400, ("invalid_json", None))


THIRTY_MB = 30 * 1000 * 1000


def test_30_mb_declared(real, openapi):
    with real.connect() as connection:
        connection.sendall(head(real, ["Content-Type: application/json", f"Content-Length: {THIRTY_MB + 500000}"]))
        refused(real, openapi, read_answer(connection), 413, ("body_too_large", None))
    body, content_type = b"x" * THIRTY_MB, "multipart/form-data; boundary=x"
    answer = real.request("POST", "/v1/verify", body, {"Content-Type": content_type})
    refused(real, openapi, answer, 413, ("body_too_large", None))


def chunked(size):
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    return piece * (size // 65536) + b"0\r\n\r\n"


@pytest.mark.parametrize("start", [b"", b"--x\r\nContent-Disposition: form-data; name=\"image1\"\r\n\r\n"],
                         ids=["before a part", "within a photograph"])
def test_30_mb_chunked(real, openapi, start):
    lines = ["Content-Type: multipart/form-data; boundary=x", "Transfer-Encoding: chunked"]
    first = b"%x\r\n%b\r\n" % (len(start), start) if start else b""
    with real.connect() as connection:
        try:
            connection.sendall(head(real, lines) + first + chunked(THIRTY_MB))
        except ConnectionError:
            pass  # the answer may have come, and the connection gone, before the last byte
        answer = read_answer(connection)
    assert answer.status in (400, 413)
    contract.check(openapi, "/v1/verify", "post", answer)


AMBIGUOUS = {
    "Content-Length twice": ["Content-Length: 5", "Content-Length: 6"],
    "the same Content-Length twice": ["Content-Length: 5", "Content-Length: 5"],
    "Content-Length with chunked": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "chunked with Content-Length": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "an encoding before chunked": ["Transfer-Encoding: gzip, chunked"],
    "two hosts": ["Host: localhost", "Content-Length: 5"],
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_two_servers_would_read_differently_is_one_request(real, openapi, name):
    """What follows the header would be a second request to a server that reads the length another way."""
    smuggled = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = real.raw(head(real, ["Content-Type: application/json", *AMBIGUOUS[name]]) + b"0\r\n\r\n" + smuggled)
    assert len(answers) == 1
    refused(real, openapi, answers[0], 400, ("invalid_header", None))
    assert answers[0].headers["Connection"] == "close"


def test_no_host(real):
    answers = real.raw(b"GET /v1/info HTTP/1.1\r\n\r\n")
    assert [answer.status for answer in answers] == [400]


def test_parts_beyond_the_limit(real, openapi):
    answer = real.verify([("image1", PERSON), ("image2", PERSON), *[(f"field{i}", "x") for i in range(31)]])
    refused(real, openapi, answer, 400, ("invalid_multipart", None))


def test_a_client_that_leaves_is_dropped(real):
    """Its request ends, whatever became of it, and nothing is left in flight."""
    body = b"".join([b"--x\r\nContent-Disposition: form-data; name=\"image%d\"\r\n\r\n" % i + PERSON + b"\r\n" for i in (1, 2)])
    body += b"--x--\r\n"
    lines = ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(body)}"]
    for sent in (len(body), len(body) // 2, 0):
        with real.connect() as connection:
            connection.sendall(head(real, lines) + body[:sent])
    real.await_metric("facepair_http_in_flight 1")
