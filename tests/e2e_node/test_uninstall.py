"""Taking kaito out of a cluster again, in the documented order and in the wrong one."""

WORKSPACE = "inference/kaito_workspace_phi_3.yaml"


def test_workspaces_first_then_the_manifests_leaves_nothing(cluster):
    cluster.kubectl("apply", "-f", str(cluster.examples / WORKSPACE))
    cluster.until("a node is there", lambda: cluster.list("machines"))
    cluster.kubectl("delete", "workspaces", "--all", "-A", "--timeout=150s")
    cluster.kubectl("delete", "-k", cluster.overlay, "--timeout=150s")
    cluster.until("nothing is left", lambda: not cluster.left())


def test_the_wrong_order_is_mended_by_installing_it_again(cluster):
    """Manifests first: nobody is left to take the nodes down, so the CRDs wait; whoever is installed again does it."""
    cluster.install()
    cluster.kubectl("apply", "-f", str(cluster.examples / WORKSPACE))
    cluster.until("a node is there", lambda: cluster.list("nodes", "-l", "kaito.sh/cloud=kwok"))
    cluster.kubectl("delete", "-k", cluster.overlay, "--wait=false")
    cluster.until("the namespace is gone", lambda: not cluster.get("namespace", cluster.namespace), within=120)
    cluster.kubectl("apply", "-k", cluster.overlay)
    cluster.until("the Workspace and its node are gone", lambda: _all_gone(cluster), within=150)
    cluster.kubectl("delete", "-k", cluster.overlay, "--ignore-not-found", "--timeout=150s")
    cluster.until("nothing is left", lambda: not cluster.left())


def _all_gone(cluster):
    kinds = cluster.kubectl("get", "crd", "-o", "name")
    return "workspaces.kaito.sh" not in kinds and not cluster.list("nodes", "-l", "kaito.sh/cloud=kwok")
