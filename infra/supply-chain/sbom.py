"""Prints what the functions are made of, as a CycloneDX bill of materials: every crate that
is compiled into one of them, from Cargo.lock, and every package that is bundled into the tag
page's script. <https://cyclonedx.org/docs/1.6/json/>"""

import datetime
import json
import pathlib
import subprocess
import sys
import tomllib
import uuid

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = "aarch64-unknown-linux-gnu"


def main():
    crates, edges = shipped_crates()
    components = [crate(package) for package in crates] + bundled_packages()
    components.sort(key=lambda component: component["bom-ref"])
    commit, seconds = output("git", "log", "-1", "--format=%H %ct").split()
    made = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same commit has the same bill.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, commit)}",
        "version": 1,
        "metadata": {
            "timestamp": made.isoformat(),
            "component": {"bom-ref": "maskline", "type": "application", "name": "maskline", "version": commit},
        },
        "components": components,
        "dependencies": edges,
    }
    text = json.dumps(bill, indent=2)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        sys.exit(f"not CycloneDX: {problem}")
    print(text)
    print(f"{len(components)} components", file=sys.stderr)


def shipped_crates():
    """The crates that the functions depend on when they run, and who depends on whom."""
    metadata = json.loads(
        output("cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET)
    )
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    functions = ROOT / "functions"
    of_functions = [
        member
        for member in metadata["workspace_members"]
        if functions in pathlib.Path(packages[member]["manifest_path"]).parents
    ]
    needs, to_visit = {}, list(of_functions)
    while to_visit:
        visited = to_visit.pop()
        if visited in needs:
            continue
        needs[visited] = sorted(
            dependency["pkg"]
            for dependency in nodes[visited]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        )
        to_visit += needs[visited]
    foreign = [packages[key] for key in needs if packages[key]["source"]]
    own = {key for key in needs if not packages[key]["source"]}
    direct = sorted({purl(packages[need]) for key in own for need in needs[key] if need not in own})
    edges = [{"ref": "maskline", "dependsOn": direct}]
    for package in sorted(foreign, key=purl):
        edges.append({"ref": purl(package), "dependsOn": sorted({purl(packages[need]) for need in needs[package["id"]]})})
    return foreign, edges


def crate(package):
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksum = next(
        entry["checksum"]
        for entry in lock
        if (entry["name"], entry["version"]) == (package["name"], package["version"])
    )
    return {
        "bom-ref": purl(package),
        "type": "library",
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        # Older crates write a slash for OR.
        "licenses": [{"expression": (package["license"] or "NOASSERTION").replace("/", " OR ")}],
        "hashes": [{"alg": "SHA-256", "content": checksum}],
    }


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def bundled_packages():
    """What the tag page's script takes from npm besides its tools, by its lock file."""
    lock = json.loads((ROOT / "clients/tag/package-lock.json").read_text())
    components = []
    for path, package in lock["packages"].items():
        if not path.startswith("node_modules/") or package.get("dev") or package.get("link"):
            continue
        name = path.removeprefix("node_modules/").rsplit("node_modules/", 1)[-1]
        reference = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
        licence = [{"expression": package["license"]}] if "license" in package else []
        components.append(
            {"bom-ref": reference, "type": "library", "name": name, "version": package["version"], "purl": reference, "licenses": licence}
        )
    return components


def output(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
