"""What was verified where: for every resource and every property of it."""

from collections import Counter
from dataclasses import dataclass, field

import gaps

CLOUDFORMATION, API = "CloudFormation", "API"
NOWHERE = "nowhere"


@dataclass
class Checked:
    """A stand-in's deployment, read back and compared with the template."""

    name: str
    # How each verified property came about, by logical id, then by property.
    verified: dict = field(default_factory=dict)
    # The known gaps that there are, with the resources that have them.
    met: set = field(default_factory=set)
    problems: list = field(default_factory=list)


def check(name, deployed):
    """Reads every resource back, makes through the API what is known to be left out, and reads
    that back too."""
    checked = Checked(name)
    resources = deployed.template.resources()
    for logical_id, resource in resources.items():
        check_resource(checked, deployed, logical_id, resource["Type"])
    for output, difference in deployed.output_differences().items():
        checked.problems.append(f"{name}: the output {output}: {difference}")
    for gap in deployed.gaps:
        for logical_id, resource in resources.items():
            concerned = gap.of in (logical_id, resource["Type"])
            if concerned and has(deployed, logical_id, gap.property) and (gap, logical_id) not in checked.met:
                checked.problems.append(f"{name} does {gap.property} of {logical_id} now: take that out of gaps.py")
    return checked


def has(deployed, logical_id, prop):
    return prop == gaps.WHOLE or prop in deployed.wanted(logical_id)


def check_resource(checked, deployed, logical_id, kind):
    made = make_up(checked, deployed, logical_id, kind)
    whole = gaps.WHOLE in made
    if whole:
        make_up(checked, deployed, logical_id, kind)
    verified = checked.verified[logical_id] = {}
    for prop, difference in deployed.differences(logical_id).items():
        gap = gaps.of(deployed.gaps, logical_id, kind, prop)
        if difference is None:
            verified[prop] = API if whole or prop in made else CLOUDFORMATION
        elif gap is None or gap.make:
            checked.problems.append(f"{checked.name}: {prop} of {logical_id} ({kind}): {difference}")


def make_up(checked, deployed, logical_id, kind):
    """Makes what is known to be left out of a resource, where that can be made."""
    made = set()
    for prop, difference in deployed.differences(logical_id).items():
        gap = difference and gaps.of(deployed.gaps, logical_id, kind, prop)
        if gap:
            checked.met.add((gap, logical_id))
            if gap.make:
                gap.make(deployed, logical_id)
                made.add(prop)
    return made


def unverified(template, checks):
    """The properties that no stand-in verified, by logical id; a resource that none has is wholly so."""
    left = {}
    for logical_id, resource in template.resources().items():
        verified = {prop for checked in checks for prop in checked.verified[logical_id]}
        missing = sorted(set(resource.get("Properties", {})) - verified) if verified else [gaps.WHOLE]
        if missing:
            left[logical_id] = missing
    return left


def text(template, checks, least, calls):
    lines = [
        "# What was verified where",
        "",
        "The template, as SAM's translator transforms it, created on stand-ins for AWS with every condition of it",
        "true; every resource read back through their APIs, and compared with the template. *CloudFormation*:",
        "created by the stand-in's CloudFormation. *API*: created through its API, from the same template.",
        f"With the required parameters only, MiniStack has {least} resources, read back and compared likewise.",
        "",
        "## Calls through the deployed stack",
        "",
        *[f"- {call}" for call in calls],
        "",
        "## In numbers",
        "",
        *by_type(template, checks),
        "",
        "## Every resource, and what was read back",
        "",
        *by_resource(template, checks),
        "",
        "## What the stand-ins leave out, and why",
        "",
        *left_out(checks),
    ]
    return "\n".join(lines) + "\n"


def by_type(template, checks):
    resources, left = template.resources(), unverified(template, checks)
    rows = []
    for kind, count in sorted(Counter(one["Type"] for one in resources.values()).items()):
        names = [name for name, one in resources.items() if one["Type"] == kind]
        cells = [cell(resources, names, checked.verified) for checked in checks]
        nowhere = sorted({prop for name in names for prop in left.get(name, [])})
        rows.append([f"`{kind}`", str(count), *cells, ", ".join(nowhere)])
    return table(["type", "resources", *(checked.name for checked in checks), NOWHERE], rows)


def by_resource(template, checks):
    left = unverified(template, checks)
    rows = []
    for name, one in template.resources().items():
        cells = [properties(checked.verified[name]) for checked in checks]
        rows.append([f"`{name}`", f"`{one['Type']}`", *cells, ", ".join(left.get(name, []))])
    return table(["resource", "type", *(checked.name for checked in checks), NOWHERE], rows)


def table(heads, rows):
    return ["| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *rows]]


def left_out(checks):
    lines = set()
    for checked in checks:
        for gap, _ in checked.met:
            made = "; made through the API" if gap.make else ""
            lines.add(f"- {checked.name}: `{gap.of}` {gap.property}: {gap.why}{made}")
    return sorted(lines)


def cell(resources, names, verified):
    """How resources of a type came about, which of their properties were made through the API, and
    which were not verified."""
    whole = [name for name in names if CLOUDFORMATION in verified[name].values()]
    made = [name for name in names if set(verified[name].values()) == {API}]
    by_api = {prop for name in whole for prop, how in verified[name].items() if how == API}
    lost = {prop for name in whole + made for prop in set(resources[name].get("Properties", {})) - set(verified[name])}
    parts = []
    if whole:
        parts.append(f"{len(whole)} by CloudFormation")
    if by_api:
        parts.append(f"of these {', '.join(sorted(by_api))} by the API")
    if made:
        parts.append(f"{len(made)} by the API")
    if lost:
        parts.append(f"not {', '.join(sorted(lost))}")
    return "; ".join(parts) or "none"


def properties(verified):
    parts = []
    for how in (CLOUDFORMATION, API):
        named = sorted(prop for prop, one in verified.items() if one == how)
        if named:
            parts.append(f"{how}: {', '.join(named)}")
    return "; ".join(parts) or "no"
