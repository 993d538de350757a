"""The page's last line, as printed, on a node that runs containers.

No GPU is here, so nobody answers for a model: a pod of a few lines answers `POST /chat` instead. What is shown is that
the line works on a real node: run -it --rm, the attached stream, a ClusterIP, the exit code. It takes some seconds, as
a model does: `kubectl run -it` loses the output of a container that ends before it has attached.
"""

import os
import pty
import subprocess

import pytest

ANSWER = """
import http.server, json, time
class Chat(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        time.sleep(5)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"Result": "you said: " + asked["prompt"]}).encode()
        self.send_response(200 if self.path == "/chat" else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
http.server.ThreadingHTTPServer(("", 5000), Chat).serve_forever()
"""


@pytest.fixture
def cluster_ip(cluster):
    image = cluster.pods("kaito-controller")[0]["spec"]["containers"][0]["image"]
    cluster.kubectl("run", "chat", f"--image={image}", "--port=5000", "--command", "--", "python3", "-c", ANSWER)
    cluster.kubectl("expose", "pod", "chat", "--port=80", "--target-port=5000")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/chat", "--timeout=90s")
    yield cluster.kubectl("get", "svc", "chat", "-o", "jsonpath={.spec.clusterIP}").strip()
    cluster.kubectl("delete", "service/chat", "pod/chat", "--grace-period=1")


def test_the_line_of_the_page_works_as_printed(cluster, cluster_ip):
    if not os.environ.get("KAITO_CURL_IMAGE"):
        pytest.skip("KAITO_CURL_IMAGE is not set (set it to curlimages/curl where nodes can pull it)")
    line = (
        "kubectl run -it --rm --restart=Never curl --image=" + os.environ["KAITO_CURL_IMAGE"] + " -- "
        'curl -X POST http://$CLUSTERIP/chat -H "accept: application/json" -H "Content-Type: application/json" '
        '-d "{\\"prompt\\":\\"YOUR QUESTION HERE\\"}"'
    )
    ours, theirs = pty.openpty()
    done = subprocess.run(
        line, shell=True, env={**os.environ, "CLUSTERIP": cluster_ip}, stdin=theirs, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '{"Result": "you said: YOUR QUESTION HERE"}' in done.stdout
    assert 'pod "curl" deleted' in done.stdout
    assert cluster.get("pod", "curl") is None
