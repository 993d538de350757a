import pytest

from kaito.apiserver.table import JsonPath

OBJ = {
    "metadata": {"name": "a", "labels": {"kaito.sh/x": "1", "a'b": "2"}, "creationTimestamp": "t"},
    "status": {
        "conditions": [
            {"type": "ResourceReady", "status": "True", "n": 1},
            {"type": "Ready", "status": "False", "n": 2},
        ],
        "nodes": ["n1", "n2", "n3"],
        "empty": None,
    },
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".metadata.name", ["a"]),
        ("{.metadata.name}", ["a"]),
        ("$.metadata.name", ["a"]),
        ("metadata.name", ["a"]),
        (r".metadata.labels.kaito\.sh/x", ["1"]),
        (".metadata.labels['kaito.sh/x']", ["1"]),
        (r""".metadata.labels["a'b"]""", ["2"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["False"]),
        (".status.conditions[?(@.type == 'ResourceReady')].status", ["True"]),
        (".status.conditions[?(@.n>1)].type", ["Ready"]),
        (".status.conditions[?(@.n)].type", ["ResourceReady", "Ready"]),
        ('.status.conditions[?(@.type!="Ready")].type', ["ResourceReady"]),
        (".status.nodes[0]", ["n1"]),
        (".status.nodes[-1]", ["n3"]),
        (".status.nodes[9]", []),
        (".status.nodes[0:2]", ["n1", "n2"]),
        (".status.nodes[*]", ["n1", "n2", "n3"]),
        (".status.nodes", [["n1", "n2", "n3"]]),
        ("..type", ["ResourceReady", "Ready"]),
        (".status.empty", [None]),
        (".spec.missing.deep", []),
        (".metadata.name.deeper", []),
        (".", [OBJ]),
    ],
)
def test_paths_lead_where_kubectl_goes(path, found):
    assert JsonPath(path).find(OBJ) == found


@pytest.mark.parametrize("path", [".a[", ".a[?(@.b", ".a]", "a b"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match="is no JSONPath"):
        JsonPath(path)
