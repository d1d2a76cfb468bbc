"""Writes docs/scale.md: what happens at 100, 10 thousand and 10 million calls a day, and what three
teams pay.

What a call uses is measured: by `make bench` (target/bench.json) where that was run here, else as
in figures.json, which the last run that was kept left. Everything else is an assumption or a quota
that stands below, with its source.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "target" / "bench.json"
FIGURES = ROOT / "infra" / "scale" / "figures.json"
PAGE = ROOT / "docs" / "scale.md"
TEMPLATE = ROOT / "template.yaml"

DAYS = (100, 10_000, 10_000_000)
DAYS_A_MONTH = 30

# What the busiest hour has of a day's calls.
BUSY_HOUR = 0.10
# How much more than that hour's average its busiest seconds have.
BURST = 3
# Callers who withhold their number.
WITHHELD = 0.05
# Calls that a visitor asks for (`initiate`) rather than dials.
ASKED_FOR = 0.5
# Minutes of a call, of which Twilio bills two legs.
MINUTES = 3
# Twilio's list prices in the US, dollars a minute: in, and out.
TWILIO_IN, TWILIO_OUT = 0.0085, 0.0140
# Its machine detection, dollars a call; and a US number, dollars a month.
TWILIO_DETECTION, TWILIO_NUMBER = 0.0075, 1.15
# CloudWatch, dollars a month: a metric that an alarm looks at, a dashboard, a custom metric.
ALARM_METRIC, DASHBOARD, CUSTOM_METRIC = 0.10, 3.00, 0.30
# Metrics in the functions' log lines, by name and dimensions, if each occurs: shared/src/access/metrics.rs.
LOGGED_METRICS = 22
# Who, phone and in-app calls a day, virtual numbers.
TEAMS = (
    ("a car park with tags", 50, 0, 1),
    ("a chain of workshops", 1_000, 1_000, 3),
    ("a marketplace", 20_000, 50_000, 20),
)
# As infra/bench/src/cost.rs has it.
LAMBDA_GB_SECOND = 0.0000133334
FUNCTION_GB = 0.125

KINDS = {"phone": "phone calls", "app": "in-app calls"}
CALLED = "the shared number"
SOCKETS = ("ws-connect", "ws-join", "ws-disconnect")


class OldBench(Exception):
    """A target/bench.json without in-app calls."""


def figures_of(bench):
    """What a call of each kind uses, from the report of `make bench`."""
    kinds = {}
    for kind in KINDS:
        calls = [call for call in bench["calls"] if call.get("kind") == kind]
        calls = [call for call in calls if kind == "app" or call["what"] == CALLED]
        if len(calls) != 1:
            raise OldBench(f"target/bench.json has {len(calls)} calls of the kind {kind}: make bench")
        steps = [step for step in calls[0]["steps"] if kind == "app" or step["through"] == "functionUrl"]
        bills = [calls[0]["call"], *([calls[0]["beside"]] if kind == "app" else [])]

        def total(name):
            return sum(step.get(name, 0) for step in steps)

        kinds[kind] = {
            "invocations": len(steps), "storeRequests": total("requests"),
            "writeUnits": total("writeUnits"), "readUnits": total("readUnits"),
            "framesIn": total("framesIn"), "framesOut": total("framesOut"),
            "connections": sum(step["function"] == "ws-connect" for step in steps),
            "computeDollars": round(sum(bill["compute"] for bill in bills), 2),
            "dollars": round(sum(sum(bill.values()) for bill in bills), 2),
        }
    return {"source": f"make bench, {bench['machine']}, {bench['measuredAt'][:7]}", "kinds": kinds}


def peak(day):
    """Calls a second in the busiest seconds of a day."""
    return day * BUSY_HOUR / 3600 * BURST


def concurrent(kind, rate):
    """How many functions run at the same time."""
    seconds = kind["computeDollars"] / 1e6 / LAMBDA_GB_SECOND / FUNCTION_GB
    return rate * seconds


def gateway(kind):
    """Requests of a call that API Gateway counts: connections, frames, and posts to connections."""
    return kind["connections"] + kind["framesIn"] + kind["framesOut"]


def limits(kinds):
    """What breaks, by the calls a day at which it does: (calls a day, kind, what, what to change)."""
    app = kinds["app"]

    def day(calls_a_second):
        return calls_a_second / BURST / BUSY_HOUR * 3600

    found = [
        (2 / 2 / (MINUTES * 60) / BUSY_HOUR * 3600 / BURST, "phone",
         "Twilio carries 2 calls at the same time for accounts (upgraded since 2026-02-03) without an approved business profile, and a masked call is two",
         "have the profile approved before the launch: then there is no such limit"),
        (day(1 / ASKED_FOR), "phone",
         "Twilio places 1 call a second that is asked for by its API, and queues the others",
         "ask Twilio for more calls a second; nothing changes here"),
        (day(100 / ASKED_FOR), "phone",
         "the stage's own throttle of 100 requests a second to the HTTP API: 429",
         "raise `ApiRequestsPerSecond`, up to the account's quota"),
        (10 * 60 / WITHHELD / BUSY_HOUR, "phone",
         "callers who withhold their number share one counter for each virtual number (`LIMIT_CALLS_PER_CALLER`, `10/60`), and hear an apology",
         "give busy tags numbers of their own, or raise that limit"),
        (day(500 / (app["framesIn"] + app["connections"])), "app",
         "the stage's own throttle of 500 connections and frames a second: devices get errors for frames",
         "raise `SocketMessagesPerSecond`, up to the account's quota"),
        (day(500 / app["connections"]), "app",
         "API Gateway takes 500 new connections a second for each account and region",
         "have that quota raised (L-9ED1E49A), and let apps keep their sockets between calls"),
        (day(10_000 / gateway(app)), "app",
         "API Gateway takes 10,000 requests a second for each account and region, frames posted to devices included",
         "have that quota raised; send candidates as one array: most frames are candidates"),
        (day(4_000 / app["writeUnits"]), "app",
         "a new on-demand table takes 4,000 write units a second until it has seen more",
         "set the warm throughput of `CallsTable` and `ConnectionsTable` before the launch"),
        (day(1_000 / concurrent(app, 1)), "app",
         "Lambda runs 1,000 functions at the same time for each account and region",
         "have that quota raised (L-B99A9384)"),
        (day(40_000 / app["writeUnits"]), "app",
         "a table takes 40,000 write units a second",
         "have the table quota raised, or a stack for each region"),
    ]
    return sorted(found)


def first(found, below, up_to):
    """What breaks first between two sizes, of each kind."""
    return [limit for limit in found if below < limit[0] <= up_to]


def rounded(value):
    """To two digits: the assumptions are no better."""
    return float(f"{value:.2g}")


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def dollars(value):
    return f"${value:,.0f}" if value >= 10 else f"${value:.2f}"


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def table(kind):
    lines = [row("", *(f"{day:,} a day" for day in DAYS)), row("---", *("---:" for _ in DAYS))]
    rates = [peak(day) for day in DAYS]

    def add(what, values, write=number):
        lines.append(row(what, *(write(value) for value in values)))

    add("calls a second, busiest seconds", rates)
    add("invocations a second", [kind["invocations"] * rate for rate in rates])
    add("functions at the same time", [concurrent(kind, rate) for rate in rates])
    add("DynamoDB write units a second", [kind["writeUnits"] * rate for rate in rates])
    add("DynamoDB read units a second", [kind["readUnits"] * rate for rate in rates])
    if kind["connections"]:
        add("new connections a second", [kind["connections"] * rate for rate in rates])
        add("API Gateway requests a second", [gateway(kind) * rate for rate in rates])
    add("AWS, a month", [kind["dollars"] / 1e6 * day * DAYS_A_MONTH for day in DAYS], dollars)
    return lines


def watching():
    """What alarms, dashboards and metrics cost a month, whatever the calls."""
    resources = re.split(r"\n  (?=\w)", TEMPLATE.read_text())

    def of(kind):
        return [one for one in resources if f"\n    Type: AWS::{kind}\n" in one]

    looked_at = sum(max(1, one.count("MetricStat:")) for one in of("CloudWatch::Alarm"))
    metrics = LOGGED_METRICS + len(of("Logs::MetricFilter"))
    return looked_at * ALARM_METRIC + len(of("CloudWatch::Dashboard")) * DASHBOARD + metrics * CUSTOM_METRIC


def teams(kinds):
    """The bills of three teams."""
    lines = [row("", *(name for name, *_ in TEAMS)), row("---", *("---:" for _ in TEAMS))]

    def add(what, value, write=dollars):
        lines.append(row(what, *(write(value(*team)) for _, *team in TEAMS)))

    def calls(phone, app, _):
        return (phone * kinds["phone"]["dollars"] + app * kinds["app"]["dollars"]) / 1e6 * DAYS_A_MONTH

    def minutes(phone, _, __):
        return phone * DAYS_A_MONTH * MINUTES * (TWILIO_IN + TWILIO_OUT)

    def rest(phone, _, numbers):
        return phone * DAYS_A_MONTH * TWILIO_DETECTION + numbers * TWILIO_NUMBER

    add("phone calls a day", lambda phone, *_: phone, lambda value: f"{value:,}")
    add("in-app calls a day", lambda _, app, __: app, lambda value: f"{value:,}")
    add("AWS: calls", calls)
    add("AWS: alarms, dashboard, metrics", lambda *_: watching())
    add("Twilio: minutes", minutes)
    add("Twilio: machine detection, numbers", rest)
    add("together, a month", lambda *team: calls(*team) + watching() + minutes(*team) + rest(*team))
    return lines


def breaking(found):
    lines = []
    below = 0
    for day in DAYS:
        here = first(found, below, day)
        lines += ["", f"### Up to {day:,} calls a day", ""]
        if not here:
            lines.append("Nothing breaks.")
        for at, kind, what, change in here:
            lines.append(f"- **From {rounded(at):,.0f} {KINDS[kind]} a day**: {what}. To change: {change}.")
        below = day
    later = first(found, below, float("inf"))
    lines += ["", "### Beyond", ""]
    for at, kind, what, change in later:
        lines.append(f"- From {round(at, -6) / 1e6:,.0f} million {KINDS[kind]} a day: {what}. To change: {change}.")
    return lines


def page(figures):
    kinds = figures["kinds"]
    phone = kinds["phone"]
    twilio = MINUTES * (TWILIO_IN + TWILIO_OUT)
    lines = [
        "# Scale and cost",
        "",
        "`make scale` writes this page; a test compares it. What a call uses is measured",
        f"({figures['source']}); prices are",
        "AWS's list prices in us-east-1, without free tiers and discounts. Assumed: the busiest hour",
        f"has {BUSY_HOUR:.0%} of a day's calls, and its busiest seconds {BURST} times its average; {WITHHELD:.0%} of callers withhold their number;",
        f"{ASKED_FOR:.0%} of phone calls are asked for on a page. Quotas are AWS's and Twilio's defaults.",
        "",
        "## Phone calls",
        "",
        "A call to the shared number that the owner answers.",
        "",
        *table(phone),
        "",
        f"Twilio costs more than all of AWS: {MINUTES} minutes at its list prices in the US are about",
        f"${twilio:.2f} a call, {twilio / (phone['dollars'] / 1e6):,.0f} times as much.",
        "",
        "## In-app calls",
        "",
        "A call of three minutes with 15 candidates, with both sockets opened and closed for it.",
        "",
        *table(kinds["app"]),
        "",
        "## What three teams pay a month",
        "",
        "Each in-app call opens its sockets anew. Metrics are billed by the hours in which they occur: the line",
        "with them says the most. `MachineDetection` `off` spares Twilio's price for it. TURN servers are not",
        "in it.",
        "",
        *teams(kinds),
        "",
        "## What breaks first, and what to change",
        "",
        "Sizes are of one kind of call alone; with both, add up what they use.",
        *breaking(limits(kinds)),
        "",
        "## Hot keys",
        "",
        "DynamoDB takes 1,000 write units and 3,000 read units a second for one key.",
        "",
        f"- **A tag's line.** Each call writes its record {phone['writeUnits'] - 1:g} times under the tag's own key: "
        f"{1000 // (phone['writeUnits'] - 1):g} calls a second",
        "  to one tag at most, and fewer begin at once: each takes the first free number by a conditional",
        "  write, and gives up (an apology, or 503) where it lost for too long. Nothing else is shared",
        "  between tags. A number that everybody calls should be several tags.",
        "- **A rate limit's counter** is one key for each caller, address or tag. Refused requests write,",
        "  too: one caller can use up its own key alone, and harms nobody else. The exception is who",
        "  withholds their number: one counter for each virtual number, see above.",
        "- **A booking's line, a user's pointer** see the acts of two people.",
        "- **The deadline queue** has no keys: standard queues take any rate. A message is delayed, not in",
        "  flight, until its deadline; 120,000 may be in flight, which is more than Lambda leaves there.",
        "- **Extensions** have six digits: a million tags share a number. A tag that has none of its own",
        "  draws one at random, and from about 800,000 tags on, more and more draws are taken: give tags",
        "  numbers of their own before.",
        "",
        "Sources: [API Gateway](https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html) and its",
        "[WebSocket quotas](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html),",
        "[Lambda](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html),",
        "[DynamoDB](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html),",
        "[SQS](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html),",
        "[Twilio's calls a second](https://help.twilio.com/articles/223180028) and",
        "[prices](https://www.twilio.com/en-us/voice/pricing/us),",
        "[CloudWatch's prices](https://aws.amazon.com/cloudwatch/pricing/).",
        "",
    ]
    return "\n".join(lines)


def main():
    figures = json.loads(FIGURES.read_text())
    if BENCH.exists():
        try:
            figures = figures_of(json.loads(BENCH.read_text()))
        except OldBench as error:
            print(f"scale: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    PAGE.write_text(page(figures))


if __name__ == "__main__":
    main()
