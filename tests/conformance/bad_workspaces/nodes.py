"""Names, choices, sizes and labels that schema and CEL refuse."""

from typing import Final

from bad_workspaces.column import LONG, MANY, REQUIRED, SUPPORTED, forms, rows, types
from bad_workspaces.row import REMOVED, Bad

SELECTOR = "resource.labelSelector"
LABELS = f"{SELECTOR}.matchLabels"
EXPRESSIONS = f"{SELECTOR}.matchExpressions"

NAMES: Final = [
    *forms(
        "inference",
        "metadata.name",
        "at most 54 characters of a-z",
        starts_with_a_digit="1abc",
        is_a_number="2024",
        has_a_dot="a.b",
        one_too_long="a" * 55,
        as_long_as_a_label="a" * 63,
        as_long_as_a_name="a" * 253,
    ),
    *forms("inference", "metadata.name", "must not end with -headless", of_a_second_Service="phi-headless"),
    *forms("inference", "metadata.name", "RFC 1123", capitals="Phi", underscore="a_b", ends_with_a_dash="a-"),
    *forms("inference", "metadata.name", "RFC 1123", a_space="a b", unicode="phï", an_emoji="🚀", a_slash_less="a%"),
    *forms("inference", "metadata.name", "no more than 253", too_long_for_anything="a" * 254),
    *forms("inference", "metadata.name", "must differ", that_of_the_preset="phi-3-mini-4k-instruct"),
    Bad(
        "metadata.name: that of the preset in capitals",
        "inference",
        {"metadata.name": "phi-3-mini-4k-instruct", "inference.preset.name": "Phi-3-Mini-4K-Instruct"},
        "metadata.name",
        "must differ",
    ),
    Bad("no name", "inference", {"metadata.name": REMOVED}, "metadata.name", "name or generateName", REQUIRED),
    Bad(
        "a generated name that is too long",
        "inference",
        {"metadata.name": REMOVED, "metadata.generateName": "a" * 60},
        "metadata.name",
        "at most 54 characters",
    ),
    Bad(
        "a key with a space among its own labels",
        "inference",
        {"metadata.labels[a b]": "x"},
        "metadata.labels",
        "name part must consist of alphanumeric characters",
    ),
]

CHOICES: Final = [
    Bad("neither inference nor tuning", "inference", {"inference": REMOVED}, "inference", "exactly one of inference"),
    Bad(
        "both inference and tuning",
        "tuning",
        {"inference": {"preset": {"name": "phi-3-mini-4k-instruct"}}},
        "inference",
        "exactly one of inference and tuning",
    ),
    Bad("neither preset nor template", "inference", {"inference": {}}, "inference", "exactly one of preset and"),
    Bad(
        "both preset and template",
        "template",
        {"inference.preset": {"name": "phi-3-mini-4k-instruct"}},
        "inference",
        "exactly one of preset and template",
    ),
    Bad("no resource", "inference", {"resource": REMOVED}, "resource", "Required value", REQUIRED),
    *types("inference", "resource", "object", a_text="big", a_list=[], a_number=1),
    *types("inference", "inference", "object", a_text="phi", a_list=[{}], true=True),
    *types("tuning", "tuning", "object", a_text="qlora"),
]

RESOURCES: Final = [
    *forms("inference", "resource.count", "greater than or equal to 1", none=0, less_than_none=-1, debt=-(1 << 31)),
    *forms("inference", "resource.count", "less than or equal to 1000", one_too_many=1001, absurd=1 << 30),
    *types("inference", "resource.count", "integer", a_text="2", a_word="two", a_list=[1], a_half=1.5, true=True),
    *forms(
        "inference",
        "resource.instanceType",
        "must be a machine size of the cloud",
        a_space="Standard NC6s_v3",
        a_line_break="Standard_NC6s_v3\n",
        an_option="--size=x",
        unicode="Standard_NC6s_v³",
        a_path="../size",
    ),
    *types("inference", "resource.instanceType", "string", a_number=6, a_list=["Standard_NC6s_v3"], an_object={}),
    *rows(
        "inference", "resource.instanceType", "may not be more than 63", LONG, huge="S" * 64, megabyte="S" * (1 << 20)
    ),
    *rows("inference", "resource.preferredNodes", "must have at most 64", MANY, sixty_five=["n"] * 65),
    *types("inference", "resource.preferredNodes", "array", a_text="node-1"),
    *rows("inference", "resource.partition.mode", "supported values", SUPPORTED, unknown="slices"),
    Bad(
        "a partition without a mode",
        "inference",
        {"resource.partition": {"count": 1}},
        "resource.partition.mode",
        "Required value",
        REQUIRED,
    ),
    Bad(
        "mig without a profile",
        "inference",
        {"resource.partition": {"mode": "mig"}},
        "resource.partition.profile",
        "needs a profile",
    ),
    Bad(
        "mig with a count",
        "inference",
        {"resource.partition": {"mode": "mig", "profile": "1g.10gb", "count": 1}},
        "resource.partition.profile",
        "no count",
    ),
    Bad(
        "accelerators without a count",
        "inference",
        {"resource.partition": {"mode": "accelerator"}},
        "resource.partition.count",
        "needs a count",
    ),
    Bad(
        "accelerators with a profile",
        "inference",
        {"resource.partition": {"mode": "accelerator", "count": 1, "profile": "1g.10gb"}},
        "resource.partition.count",
        "no profile",
    ),
    Bad(
        "a profile that is none",
        "inference",
        {"resource.partition": {"mode": "mig", "profile": "half"}},
        "resource.partition.profile",
        "must be as 2g.24gb",
    ),
    *[
        Bad(
            f"{count} accelerators",
            "inference",
            {"resource.partition": {"mode": "accelerator", "count": count}},
            "resource.partition.count",
            "than or equal to",
        )
        for count in (0, -1, 65)
    ],
]

SELECTORS: Final = [
    Bad("no selector", "inference", {SELECTOR: REMOVED}, SELECTOR, "Required value", REQUIRED),
    Bad("an empty selector", "inference", {SELECTOR: {}}, LABELS, "must name a label"),
    Bad("a selector of no labels", "inference", {LABELS: {}}, LABELS, "must name a label"),
    Bad(
        "a selector of empty lists",
        "inference",
        {SELECTOR: {"matchLabels": {}, "matchExpressions": []}},
        LABELS,
        "must name a label",
    ),
    *types("inference", SELECTOR, "object", a_text="apps=phi", a_list=[]),
    *types("inference", LABELS, "object", a_text="apps=phi", a_list=["apps"]),
    *types("inference", f"{LABELS}.apps", "string", a_number=3, true=True, a_list=["phi"]),
    *forms(
        "inference",
        f"{LABELS}[apps]",
        "must be a label value",
        a_space="phi 3",
        ends_with_a_dash="phi-",
        starts_with_a_dot=".phi",
        unicode="фи",
        a_slash="team/phi",
        a_line_break="phi\n",
    ),
    *rows("inference", f"{LABELS}.apps", "may not be more than 63", LONG, one_too_long="a" * 64),
    *[
        Bad(f"a label key with {case}", "inference", {LABELS: {key: "x"}}, LABELS, "must be label keys")
        for case, key in {
            "a space": "a b",
            "nothing in it": "",
            "two slashes": "a/b/c",
            "a slash first": "/a",
            "a slash last": "a/",
            "a dash first": "-a",
            "64 characters": "a" * 64,
            "a domain in capitals": "Example.org/a",
            "unicode": "приложение",
            "a domain that is too long": "a" * 254 + "/" + "b" * 63,
        }.items()
    ],
    Bad(
        "65 labels",
        "inference",
        {LABELS: {f"a{number}": "x" for number in range(65)}},
        LABELS,
        "must have at most 64",
        MANY,
    ),
    *[
        Bad(
            f"an expression: {case}",
            "inference",
            {SELECTOR: {"matchExpressions": [{"key": "apps", **entry}]}},
            EXPRESSIONS,
            "operator In with one value",
        )
        for case, entry in {
            "exists": {"operator": "Exists"},
            "does not exist": {"operator": "DoesNotExist"},
            "in two": {"operator": "In", "values": ["a", "b"]},
            "in none": {"operator": "In", "values": []},
            "in nothing": {"operator": "In"},
            "not in": {"operator": "NotIn", "values": ["a"]},
        }.items()
    ],
    Bad(
        "an unknown operator",
        "inference",
        {SELECTOR: {"matchExpressions": [{"key": "a", "operator": "Near"}]}},
        f"{EXPRESSIONS}[0].operator",
        "supported values",
        SUPPORTED,
    ),
    Bad(
        "an expression without a key",
        "inference",
        {SELECTOR: {"matchExpressions": [{"operator": "In", "values": ["a"]}]}},
        f"{EXPRESSIONS}[0].key",
        "Required value",
        REQUIRED,
    ),
    Bad(
        "an expression with a wrong key",
        "inference",
        {SELECTOR: {"matchExpressions": [{"key": "a b", "operator": "In", "values": ["a"]}]}},
        f"{EXPRESSIONS}[0].key",
        "must be a label key",
    ),
    Bad(
        "an expression with a wrong value",
        "inference",
        {SELECTOR: {"matchExpressions": [{"key": "a", "operator": "In", "values": ["a b"]}]}},
        f"{EXPRESSIONS}[0].values[0]",
        "must be a label value",
    ),
]
