"""What the alarm for late deadlines makes of a queue, minute by minute."""

import heapq
import re

import pytest

import documents

ALARM = documents.template()["Resources"]["LateDeadlinesAlarm"]["Properties"]
QUEUE = documents.template()["Resources"]["DeadlinesQueue"]["Properties"]
METRICS = {
    one["Id"]: one["MetricStat"]["Metric"]["MetricName"] for one in ALARM["Metrics"] if "MetricStat" in one
}
DAY = 24 * 3600


def messages(calls_a_day, seconds):
    """When questions are sent and for how long they are delayed: a ringing one for each call, and for one in
    ten the hops of a long call."""
    gap = DAY / calls_a_day
    calls = [round(one * gap) for one in range(int(seconds / gap))]
    hops = [(at + 900 * hop, 900) for at in calls[::10] for hop in range(4)]
    return sorted([(at, 45) for at in calls] + hops)


def minutes(calls_a_day, handles, seconds=3 * 3600):
    """The metrics of each minute, where the function handles so many messages a second, or is `None` (not
    asked at all) or `"fails"`."""
    sent = [at + delay for at, delay in messages(calls_a_day, seconds)]
    due = sorted((at, 0) for at in sent)
    waiting, handled, measured = [], 0, []
    for second in range(seconds):
        while due and due[0][0] <= second:
            _, received = heapq.heappop(due)
            # Then it is a dead letter.
            if received < QUEUE["RedrivePolicy"]["maxReceiveCount"]:
                waiting.append(received)
        if second % 60 == 59:
            measured.append({
                "ApproximateNumberOfMessagesVisible": len(waiting),
                "ApproximateNumberOfMessagesNotVisible": sum(1 for _, received in due if received),
                "NumberOfMessagesDeleted": handled,
            })
            handled = 0
        if handles == "fails":
            for received in waiting:
                heapq.heappush(due, (second + QUEUE["VisibilityTimeout"], received + 1))
            waiting = []
        elif handles is not None:
            taken = min(len(waiting), int(handles * (second + 1)) - int(handles * second))
            waiting = waiting[taken:]
            handled += taken
    return measured


def value(minute):
    [expression] = [one["Expression"] for one in ALARM["Metrics"] if "Expression" in one]
    filled = re.sub(r"FILL\((\w+), 0\)", lambda found: str(minute[METRICS[found[1]]]), expression)
    assert re.fullmatch(r"[0-9 +*()-]+", filled), filled
    return eval(filled)


def goes_off(measured):
    """How many minutes after the start, or `None`."""
    assert ALARM["ComparisonOperator"] == "GreaterThanThreshold"
    breaching = [value(minute) > ALARM["Threshold"] for minute in measured]
    periods = ALARM["EvaluationPeriods"]
    return next((at + periods for at in range(len(breaching)) if all(breaching[at : at + periods])), None)


@pytest.mark.parametrize("calls_a_day", [50, 1000, 50_000])
def test_ordinary_calls_are_quiet(calls_a_day):
    assert goes_off(minutes(calls_a_day, handles=50)) is None


@pytest.mark.parametrize("calls_a_day", [50, 1000, 50_000])
@pytest.mark.parametrize("handles", [None, "fails"])
def test_unhandled_deadlines_are_told(calls_a_day, handles):
    first = (DAY / calls_a_day + 45) / 60
    assert goes_off(minutes(calls_a_day, handles)) <= first + 8


def test_too_few_handled_are_told():
    assert goes_off(minutes(50_000, handles=0.3)) < 15


def test_one_failure_is_quiet():
    once = {"ApproximateNumberOfMessagesVisible": 0, "ApproximateNumberOfMessagesNotVisible": 1, "NumberOfMessagesDeleted": 0}
    none = once | {"ApproximateNumberOfMessagesNotVisible": 0}
    assert goes_off([none, once, once, none, none, none, none]) is None


def test_no_alarm_goes_by_the_age_of_delayed_messages():
    resources = documents.template()["Resources"]
    assert "ApproximateAgeOfOldestMessage" not in str(resources)
