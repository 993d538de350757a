"""Compares what ServiceAccounts were granted with what an audit log says that they did.

    python hack/kube/audit_rights.py audit.log manifests/base/rbac manifests/local-node

prints one line per granted right with the number of requests that used it. Exits 1 when a request was forbidden, or
when a granted verb was never used: neither too little nor too much is right.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

PREFIX = "system:serviceaccount:"
FORBIDDEN = 403


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource (`pods`, `pods/status`) for one ServiceAccount (`namespace:name`)."""

    account: str
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.account}: {self.verb} {resource}"


@dataclass
class Report:
    """What came of a comparison; `used` counts requests, `forbidden` holds a line each."""

    used: Counter[Right] = field(default_factory=Counter)
    unused: list[Right] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether the grants are exactly what is needed."""
        return bool(self.used) and not self.unused and not self.forbidden


def granted(objects: Iterable[dict[str, Any]]) -> set[Right]:
    """Return the rights that roles and bindings give to ServiceAccounts. ValueError for a wildcard."""
    objects = list(objects)
    roles = [obj for obj in objects if obj["kind"] in ("Role", "ClusterRole")]
    rules = {(role["kind"], role["metadata"]["name"]): role["rules"] for role in roles}
    rights = set()
    for binding in (obj for obj in objects if obj["kind"] in ("RoleBinding", "ClusterRoleBinding")):
        reference = binding["roleRef"]
        for rule in rules[reference["kind"], reference["name"]]:
            for subject in binding["subjects"]:
                rights |= set(_rights(f"{subject['namespace']}:{subject['name']}", rule))
    return rights


def _rights(account: str, rule: dict[str, Any]) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                if "*" in (group, resource, verb):
                    raise ValueError(f"{account}: a wildcard grants what nobody can check: {rule}")
                yield Right(account, group, resource, verb)


def compare(rights: set[Right], events: Iterable[dict[str, Any]]) -> Report:
    """Return how the rights were used; requests by others than their holders are passed over."""
    report = Report()
    accounts = {right.account for right in rights}
    for event in events:
        account = event["user"].get("username", "").removeprefix(PREFIX)  # none when nobody was recognised
        if account not in accounts or "objectRef" not in event:
            continue
        right = _right(account, event)
        if _forbidden(event.get("responseStatus", {})):
            report.forbidden.append(f"{right} ({event['requestURI']})")
        used = {right}
        if right.verb == "patch" and event.get("responseStatus", {}).get("code") == 201:
            used.add(replace(right, verb="create"))  # an apply that made the object needs both
        if right.verb == "watch" and "sendInitialEvents=true" in event["requestURI"]:
            used.add(replace(right, verb="list"))  # a server that does not stream lists is sent a list instead
        report.used.update(used & rights)
    report.unused = sorted(rights - report.used.keys())
    return report


def _forbidden(answer: dict[str, Any]) -> bool:
    """Return whether it lacked a right, or a policy forbade it: not that its namespace was being deleted."""
    causes = (answer.get("details") or {}).get("causes") or ()
    return answer.get("code") == FORBIDDEN and "NamespaceTerminating" not in {cause.get("reason") for cause in causes}


def _right(account: str, event: dict[str, Any]) -> Right:
    about = event["objectRef"]
    resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
    return Right(account, about.get("apiGroup", ""), resource, event["verb"])


def enforced(rights: set[Right], events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the events of a server without roles as one with roles had logged them.

    Each program is taken for the ServiceAccount of its name (its user agent); what that was not granted is forbidden.
    """
    accounts = {right.account.partition(":")[2]: right.account for right in rights}
    for event in events:
        account = accounts.get(event["userAgent"])
        if account is None or "objectRef" not in event:
            continue
        answer = event.get("responseStatus", {})
        allowed = _right(account, event) in rights
        yield {
            **event,
            "user": {"username": PREFIX + account},
            "responseStatus": answer if allowed else {"code": FORBIDDEN},
        }


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of an audit log; a last line that is being written is left out."""
    with path.open() as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def shipped_rights(folders: Iterable[Path]) -> set[Right]:
    """Return what the YAML files of some folders grant."""
    files = [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
    return granted(obj for file in files for obj in yaml.safe_load_all(file.read_text()) if obj)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audit_log", type=Path)
    parser.add_argument("manifests", type=Path, nargs="+", help="folders with the YAML of roles and bindings")
    given = parser.parse_args()
    report = compare(shipped_rights(given.manifests), read(given.audit_log))
    for right, count in sorted(report.used.items()):
        print(f"{count:6}  {right}")
    for right in report.unused:
        print(f"UNUSED     {right}", file=sys.stderr)
    for line in report.forbidden[:50]:
        print(f"FORBIDDEN  {line}", file=sys.stderr)
    print(f"{len(report.used)} rights used, {len(report.unused)} unused, {len(report.forbidden)} requests forbidden")
    return 0 if report.right else 1


if __name__ == "__main__":
    sys.exit(main())
