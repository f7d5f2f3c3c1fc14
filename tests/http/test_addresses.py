"""Whose request it is behind proxies, and how many connections and requests one address has."""
import re
import socket
import subprocess
import time

import contract
import pytest
import service as under_test

PAIR = [("image1", b"first"), ("image2", b"second")]
NEAR = "127.0.0.1"  # where the tests call from


def client_of(service, *lines, path="/v1/info", source=None):
    """As the log tells it, of a request with these header lines."""
    client_of.count += 1
    request_id = f"client-{client_of.count}"
    with socket.create_connection((NEAR, service.port), under_test.PATIENCE_S, source and (source, 0)) as connection:
        connection.sendall(under_test.head(service, [f"X-Request-Id: {request_id}", *lines], method="GET", path=path))
        assert under_test.read_answer(connection, "GET").status == 200
    return service.event("request", request_id=request_id)["client"]


client_of.count = 0


@pytest.fixture(scope="module")
def proxied(start_stub):
    return start_stub("--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--trusted-proxies", "2001:db8:ffff::/48")


FAR = "203.0.113.9"


@pytest.mark.parametrize("lines, client", [
    ([], NEAR),
    ([FAR], FAR),
    (["198.51.100.1, " + FAR], FAR),  # what stands before it was made up
    ([FAR + ", 10.0.0.2"], FAR),
    (["198.51.100.1, " + FAR + ", 10.0.0.2 ,10.9.9.9"], FAR),
    (["198.51.100.1", FAR], FAR),  # two lines are one list
    ([FAR, "10.0.0.2, 10.0.0.3"], FAR),
    (["10.0.0.2, 10.0.0.3"], "10.0.0.2"),  # all are proxies: the farthest
    (["127.0.0.1"], NEAR),
    (["2001:db8::7"], "2001:db8::7"),
    (["2001:DB8:0:0::7, 2001:db8:ffff::1"], "2001:db8::7"),
    (["[2001:db8::7]"], "2001:db8::7"),
    (["[2001:db8::7]:443, 10.0.0.2:8080"], "2001:db8::7"),
    ([FAR + ":51234"], FAR),
    (["::ffff:203.0.113.9"], FAR),
    (["198.51.100.1, ::ffff:10.1.2.3"], "198.51.100.1"),  # a proxy over an IPv6 socket
    (["[::ffff:203.0.113.9]:1"], FAR),
    (["\t" + FAR + " \t"], FAR),
    ([FAR + ",, 10.0.0.2,"], FAR),  # empty elements are none
    ([""], NEAR),
    ([" , ,"], NEAR),
])
def test_the_client_is_the_last_address_that_is_no_trusted_proxys(proxied, lines, client):
    assert client_of(proxied, *(f"X-Forwarded-For: {line}" for line in lines)) == client


@pytest.mark.parametrize("malformed", [
    "unknown", "_hidden", "localhost", "203.0.113", "203.0.113.256", "203.0.113.09", "203.0.113.9:", "203.0.113.9:x",
    "203.0.113.9:123456", "203.0.113.9 10.0.0.2", "203.0.113.9;10.0.0.2", "fe80::1%eth0", "[203.0.113.9]", "[2001:db8::7",
    "2001:db8::7]", "[2001:db8::7]443", "[2001:db8::7]:", "2001:db8::7::1", '"203.0.113.9"', "for=203.0.113.9", "0x7f000001",
    "2130706433", "203.0.113.9/32", "-", "\u00e4".encode().decode("latin-1"), "1" * 4000])
def test_what_is_no_address_ends_the_search_at_the_proxy_that_let_it_stand(proxied, malformed):
    assert client_of(proxied, f"X-Forwarded-For: {malformed}") == NEAR
    assert client_of(proxied, f"X-Forwarded-For: {FAR}, {malformed}") == NEAR
    assert client_of(proxied, f"X-Forwarded-For: {malformed}, 10.0.0.2") == "10.0.0.2"
    assert client_of(proxied, f"X-Forwarded-For: {malformed}, {FAR}") == FAR


def test_a_list_without_end_is_not_followed(proxied):
    chain = ", ".join(f"10.0.0.{i % 250}" for i in range(600))
    assert client_of(proxied, f"X-Forwarded-For: {FAR}, {chain}").startswith("10.0.0.")
    assert client_of(proxied, *["X-Forwarded-For: 10.0.0.2"] * 40) == NEAR  # more lines than any proxy sends


def test_other_headers_tell_nothing(proxied):
    assert client_of(proxied, f"X-Real-IP: {FAR}", f"Forwarded: for={FAR}", f"X-Forwarded-For-Not: {FAR}") == NEAR
    assert client_of(proxied, f"x-forwarded-for: {FAR}") == FAR


def test_who_is_no_proxy_is_not_believed(proxied, start_stub):
    assert client_of(proxied, f"X-Forwarded-For: {FAR}", source="127.0.0.2") == "127.0.0.2"
    limited = start_stub("--address-rate=1000", "--address-burst=1000")
    assert client_of(limited, f"X-Forwarded-For: {FAR}") == NEAR


def test_without_an_option_no_address_is_told(stub):
    assert stub.request("GET", "/v1/info", headers={"X-Request-Id": "no-address", "X-Forwarded-For": FAR}).status == 200
    assert "client" not in stub.event("request", request_id="no-address")


# ---- limits ----

def ask(service, source=NEAR, path="/v1/info", **headers):
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection((NEAR, service.port), under_test.PATIENCE_S, (source, 0)) as connection:
        connection.sendall(under_test.head(service, lines, method="GET", path=path))
        return under_test.read_answer(connection, "GET")


def test_an_address_asks_so_often_and_another_is_not_it(start_stub, openapi):
    service = start_stub("--address-rate=0.01", "--address-burst=3")
    assert [ask(service).status for _ in range(3)] == [200] * 3
    refused = ask(service)
    contract.check_problem(openapi, "/v1/info", "get", refused, 429, "rate_limited")
    assert 90 <= int(refused.headers["Retry-After"]) <= 100
    contract.check_problem(openapi, "/v1/verify", "post", service.verify(PAIR), 429, "rate_limited")
    assert ask(service, "127.0.0.2").status == 200
    assert ask(service, path="/livez").status == ask(service, path="/readyz").status == 200
    assert service.get("/metrics", service.admin_port).status == 200  # the public listener alone is limited
    assert b'facepair_rejected_total{reason="address_rate"} 2\n' in service.get("/metrics", service.admin_port).body


def test_paths_that_are_not_there_count_too(start_stub):
    service = start_stub("--address-rate=0.01", "--address-burst=2")
    assert [ask(service, path="/nothing").status for _ in range(3)] == [404, 404, 429]


def test_behind_a_proxy_each_client_is_its_own(start_stub):
    service = start_stub("--address-rate=0.01", "--address-burst=1", "--trusted-proxies=127.0.0.1")
    for last in range(1, 4):
        assert ask(service, X_Forwarded_For=f"203.0.113.{last}").status == 200
        assert ask(service, X_Forwarded_For=f"198.51.100.1, 203.0.113.{last}").status == 429
    assert ask(service, X_Forwarded_For="2001:db8::1").status == 200
    assert ask(service, X_Forwarded_For="2001:db8::2").status == 429  # of the same /64


def test_who_makes_addresses_up_is_still_one(start_stub):
    service = start_stub("--address-rate=0.01", "--address-burst=2")
    assert [ask(service, X_Forwarded_For=f"203.0.113.{i}").status for i in range(4)] == [200, 200, 429, 429]


def is_served(service, connection):
    try:
        connection.sendall(under_test.head(service, [], method="GET", path="/v1/info"))
        return under_test.read_answer(connection, "GET").status == 200
    except (ConnectionError, under_test.http.client.HTTPException):
        return False


def test_an_address_has_so_many_connections(start_stub):
    service = start_stub("--address-connections=3")
    held = [service.connect() for _ in range(3)]
    assert all(is_served(service, connection) for connection in held)
    with service.connect() as fourth:
        assert not is_served(service, fourth)
    with socket.create_connection((NEAR, service.port), under_test.PATIENCE_S, ("127.0.0.2", 0)) as other:
        assert is_served(service, other)
    held.pop().close()
    while True:
        with service.connect() as again:
            if is_served(service, again):
                break
        time.sleep(0.01)
    counted = re.search(rb'reason="address_connections"} (\d+)', service.get("/metrics", service.admin_port).body)
    assert int(counted[1]) >= 1
    for connection in held:
        connection.close()


def test_a_trusted_proxy_has_as_many_connections_as_it_needs(start_stub):
    service = start_stub("--address-connections=1", "--trusted-proxies=127.0.0.1")
    held = [service.connect() for _ in range(8)]
    assert all(is_served(service, connection) for connection in held)
    for connection in held:
        connection.close()


@pytest.mark.parametrize("proxies", ["10.0.0.1/8", "10.0.0.0/33", "proxy.example", "10.0.0.0/8,nonsense", "*"])
def test_proxies_that_are_no_ranges_refuse_to_start(stub_data, proxies):
    done = subprocess.run([under_test.STUB, "serve", "--data", stub_data, "--trusted-proxies", proxies], capture_output=True,
                          text=True, env=under_test.clean_environment(), timeout=under_test.PATIENCE_S)
    assert done.returncode == 1 and "--trusted-proxies" in done.stderr
