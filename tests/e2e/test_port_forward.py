"""kubectl port-forward to pods and Services."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cluster import Cluster
from streaming import OLDER, forwarded

WEB = """\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: python
      command:
        - sh
        - -c
        - >-
          for n in 0 1 2 3; do { printf "hello $n"; head -c 500000 /dev/zero | tr '\\000' x; } > page-$n; done;
          exec python3 -m http.server 8321 --bind ${KAITO_BIND_HOST:-0.0.0.0}
      readinessProbe: {tcpSocket: {port: 8321}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8080, targetPort: 8321}]}
"""


def fetch(port: int, number: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/page-{number % 4}", timeout=60).text


def page(number: int) -> str:
    return f"hello {number % 4}" + "x" * 500_000


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Iterator[Cluster]:
    cluster.apply(WEB)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=120s", timeout=150)
    yield cluster
    cluster.kubectl("delete", "pod/web", "svc/web", "--timeout=60s")


@pytest.mark.parametrize(
    ("target", "port", "environment"),
    [("pod/web", 8321, {}), ("svc/web", 8080, {}), ("pod/web", 8321, OLDER)],
    ids=["pod", "service", "an older kubectl that speaks SPDY"],
)
def test_a_forwarded_port_answers(web: Cluster, target: str, port: int, environment: dict[str, str]) -> None:
    with forwarded(web, target, port, **environment) as (local, _):
        assert [fetch(local, number) for number in range(3)] == [page(number) for number in range(3)]


def test_many_connections_at_once_are_kept_apart(web: Cluster) -> None:
    with forwarded(web, "pod/web", 8321) as (local, _), ThreadPoolExecutor(12) as pool:
        pages = list(pool.map(lambda number: fetch(local, number), range(48)))
    assert pages == [page(number) for number in range(48)]


def test_a_port_that_nobody_listens_on_is_named(web: Cluster) -> None:
    with forwarded(web, "pod/web", 9) as (local, process):
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{local}/", timeout=30)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"an error occurred forwarding {local} -> 9: error forwarding port 9 to pod " in said
    assert "connection refused" in said
    assert "lost connection to pod" in said


def test_a_client_that_closes_its_half_still_gets_the_answer(web: Cluster) -> None:
    with forwarded(web, "pod/web", 8321) as (local, _), socket.create_connection(("127.0.0.1", local), 30) as client:
        client.sendall(b"GET /page-1 HTTP/1.0\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.endswith(page(1).encode())
