# ctest: timeout=240
"""Answers that are none: error statuses, rate limits, silence, cut connections, half a JSON, pages, floods and bombs. Each is
one named run, and the night's final box scores are right nonetheless."""
import sys

from _faults import KEY, FaultyNight, Checks, Failed, check_finals, truth_of, until

LIVE = "bdl.live"
# fault, and the run of the poll that meets it: outcome, class, text
ANSWERS = [
    ({"kind": "status", "status": 500, "from": "tip+20"}, ("failed", "http_status", "status 500")),
    ({"kind": "status", "status": 429, "retry_after": 1, "from": "tip+25"}, ("failed", "rate_limited", "429")),
    ({"kind": "status", "status": 429, "from": "tip+30"}, ("failed", "rate_limited", "429")),
    ({"kind": "status", "status": 503, "body": "html", "from": "tip+35"}, ("failed", "http_status", "status 503")),
    ({"kind": "unauthorized", "from": "tip+40"}, ("failed", "unauthorized", "401")),
    ({"kind": "hang", "seconds": 5, "from": "tip+45"}, ("timeout", "timeout", "")),
    ({"kind": "reset", "from": "tip+65"}, ("failed", "network", "")),
    ({"kind": "html", "from": "tip+70"}, ("failed", "malformed", "as HTML does")),
    ({"kind": "huge", "from": "tip+75"}, ("failed", "too_large", "more than")),
    ({"kind": "huge", "declared": True, "from": "tip+85"}, ("failed", "too_large", "more than")),
    ({"kind": "gzip_bomb", "from": "tip+90"}, ("failed", "too_large", "more than")),
]
# These are answers, but odd ones: what the processor's run says of them.
BODIES = [
    ({"kind": "truncated", "from": "tip+95"}, ("failed", "malformed", "")),
    ({"kind": "empty", "from": "tip+100"}, ("empty_ok", "none", "")),
]


def has(run, wanted):
    return (run["outcome"] == wanted[0] and run["error_class"] == wanted[1] and
            wanted[2] in (run["error_message"] or ""))


def live(night, checks):
    night.start()
    for fault, _ in ANSWERS + BODIES:
        night.add({"feed": LIVE, "times": 1, **fault})
    night.add({"kind": "duplicate", "feed": LIVE, "times": 1, "from": "tip+105"},
              {"kind": "truncated", "feed": "bdl.box_scores", "times": 1, "from": "final"},
              {"kind": "status", "status": 500, "feed": "odds.event_odds", "times": 2})
    games = night.status()["games"]
    until(lambda: len(night.finals()) == len(games), 150, "every game has its final box score")
    fired = {(fault["kind"], fault.get("from")): fault["fired"] for fault in night.faults()}
    checks.that(all(fired.values()), f"some faults never acted: {fired}")
    night.get("/sim/faults", "DELETE")
    truth = truth_of(night.get("/v1/box_scores?date=2026-01-14"))
    night.stop()
    return truth


def main():
    night, checks = FaultyNight(seed=3, speed=1200), Checks()
    try:
        truth = live(night, checks)
        runs = night.of("ops.run")
        polls = [run for run in runs if run["name"] == "PollBdlLive"]
        for fault, wanted in ANSWERS:
            checks.that(any(has(run, wanted) for run in polls), f"{fault}: no poll says {wanted}")
        for fault, wanted in BODIES:
            taken = [run for run in runs if run["name"] == "BdlLiveBoxscores"]
            checks.that(any(has(run, wanted) for run in taken), f"{fault}: no run says {wanted}")
        retries = [run for run in polls if run["attempt"] > 1]
        checks.that(len(retries) >= 7, f"{len(retries)} retries")
        checks.that(all(run["cause"] == "retry" for run in retries), "a retry does not say that it is one")
        unchanged = [run for run in polls if run["outcome"] == "unchanged"]
        checks.that(unchanged and all(run["duplicate_of"] for run in unchanged), "a repeat names no original")
        checks.that(not [run for run in runs if run["outcome"] == "crashed"], "something crashed")
        checks.that(not night.of("dead"), "there are dead letters")
        checks.that(KEY not in night.logs() + str(night.records), "the key is in a log or message")
        check_finals(checks, night, truth)
    except Failed as failure:
        checks.that(False, f"{failure}\n{night.logs()[-3000:]}")
    finally:
        night.remove()
    checks.end()


if __name__ == "__main__":
    sys.exit(main())
