"""The admission webhook behind its Service: both replicas answer, and its certificate mends itself."""

import base64

from cryptography import x509

SECRET = ("secret", "kaito-webhook-certificate")


def test_both_replicas_are_behind_the_service(cluster):
    slices = cluster.list("endpointslices", "-n", cluster.namespace, "-l", "kubernetes.io/service-name=kaito-webhook")
    ready = [one for found in slices for one in found["endpoints"] if one["conditions"]["ready"]]
    names = {pod["metadata"]["name"] for pod in cluster.pods("kaito-controller")}
    assert {one["targetRef"]["name"] for one in ready} == names


def test_the_certificate_is_for_the_service_alone_and_lasts_for_months(cluster):
    secret = cluster.get(*SECRET, "-n", cluster.namespace)
    assert secret["type"] == "kubernetes.io/tls"
    certificate = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"kaito-webhook.{cluster.namespace}.svc"]
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 90


def test_a_workspace_is_refused_by_the_rules_and_warned_about(cluster):
    manifest = (cluster.examples / "inference" / "kaito_workspace_phi_3.yaml").read_text()
    done = cluster.run("apply", "-f", "-", stdin=manifest.replace("-4k-instruct", "-4k-instrct"), check=False)
    assert done.returncode != 0
    assert "preset.name: " in done.stderr
    adapters = cluster.examples / "inference" / "kaito_workspace_phi_3_with_adapters.yaml"
    done = cluster.run("create", "--dry-run=server", "-o", "yaml", "-f", str(adapters))
    assert "ACR_REPO_HERE" in done.stderr
    assert 'strength: "1.0"' in done.stdout


def test_a_certificate_that_somebody_broke_is_mended_with_an_event(cluster):
    before = cluster.get(*SECRET, "-n", cluster.namespace)
    broken = '{"data": {"tls.key": "bm9uZQ=="}}'
    cluster.kubectl("patch", *SECRET, "-n", cluster.namespace, "--type=merge", "-p", broken)
    cluster.until(
        "it is as it was", lambda: cluster.get(*SECRET, "-n", cluster.namespace)["data"] == before["data"], within=90
    )
    about = "involvedObject.name=kaito-webhook-certificate"
    events = cluster.list("events", "-n", cluster.namespace, "--field-selector", about)
    assert "CertificateRenewed" in {event["reason"] for event in events}
    assert before["data"]["tls.key"] not in str(events)
