"""httpGet as a request: Go's client is the model."""

import pytest

from pyrt.kube.container import Container, ContainerPort
from pyrt.kube.probes import HTTPGetAction, HTTPHeader
from pyrt.pods.probes.request import HandlerError, make_request, redirected, resolve_port

CONTAINER = Container(name="c", ports=[ContainerPort(name="web", container_port=8080)])


def request(path="/", port=80, address="10.0.0.1", headers=(), **more):
    action = HTTPGetAction(path=path, port=port, http_headers=[HTTPHeader(name=n, value=v) for n, v in headers], **more)
    return make_request(action, CONTAINER, address, "probe")


def test_the_bytes_of_a_request():
    assert request("/healthz").encode() == (
        b"GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:80\r\nAccept: */*\r\nUser-Agent: kube-probe/1.36\r\n"
        b"Connection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", "/"),
        ("healthz", "/healthz"),
        ("/a b?c=d e", "/a%20b?c=d%20e"),
        ("/a%20b", "/a%20b"),
        ("/a#fragment", "/a"),
        ("http://elsewhere/x?y", "/x?y"),
        ("//elsewhere/x", "/x"),
        ("/ä", "/%C3%A4"),
        ("http://[bad", "/http%3A//%5Bbad"),
    ],
)
def test_targets(path, target):
    assert request(path).target == target


def test_headers_may_be_replaced_and_repeated():
    found = request(
        headers=[
            ("user-agent", "me"),
            ("x-a", "1"),
            ("X-A", "2"),
            ("accept", ""),
            ("host", "web.example"),
            ("Connection", "x"),
        ]
    )
    assert found.headers == (("User-Agent", "me"), ("X-A", "1"), ("X-A", "2"))
    assert found.host_header == "web.example"


@pytest.mark.parametrize("value", ["a\r\nEvil: yes", "a\nb", "\0"])
def test_a_header_cannot_smuggle_another(value):
    with pytest.raises(HandlerError, match="invalid header field value"):
        request(headers=[("X-A", value)])


def test_ipv6_is_in_brackets():
    found = request(address="fd00::1")
    assert found.url == "http://[fd00::1]:80/"
    assert b"Host: [fd00::1]:80\r\n" in found.encode()


@pytest.mark.parametrize(("port", "number"), [(80, 80), ("web", 8080), ("81", 81)])
def test_ports(port, number):
    assert resolve_port(port, CONTAINER) == number


@pytest.mark.parametrize("port", [0, 65536, "other", "-1"])
def test_ports_that_are_none(port):
    with pytest.raises(HandlerError):
        resolve_port(port, CONTAINER)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x", "http://10.0.0.1:80/x"),
        ("x?y#z", "http://10.0.0.1:80/x?y"),
        ("https://10.0.0.1/x", "https://10.0.0.1:443/x"),
        ("http://10.0.0.1:81", "http://10.0.0.1:81/"),
        ("http://elsewhere/", None),
        ("ftp://10.0.0.1/", None),
        ("http://10.0.0.1:x/", None),
        ("http://[bad", None),
        ("//[::1", None),
    ],
)
def test_redirects_stay_on_the_host(location, url):
    found = redirected(request("/"), location)
    assert (found.url if found is not None else None) == url


def test_a_host_header_goes_along_with_a_relative_redirect_only():
    asked = request(headers=[("Host", "web.example")])
    assert redirected(asked, "/x").host_header == "web.example"
    assert redirected(asked, "http://10.0.0.1/x").host_header == ""


def test_what_is_no_text_is_replaced():
    found = request("/\ud800", headers=[("X-A", "\ud800")])
    assert found.encode().startswith(b"GET /? HTTP/1.1\r\n")
    assert b"X-A: ?\r\n" in found.encode()
