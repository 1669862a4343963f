#!/usr/bin/python3
# ctest: timeout=180
"""A service whose plan is spent is not asked again that day, whoever is restarted; one that fails again and again is left alone for a
while, says until when, and is heard again by itself."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
import _faults  # noqa: E402
from _faults import Checks, Failed, FaultyNight, until  # noqa: E402
from _night import children_of  # noqa: E402
from _proxy import Proxy  # noqa: E402

RESERVE = 40
BDL, ODDS = "/v1/", "/v4/"


class Limits:
    def __init__(self):
        self.left = RESERVE + 3
        self.down = False

    def answer_of(self, path, status, headers):
        if path.startswith(BDL) and self.down:
            return None
        if path.startswith(ODDS):
            self.left -= 1
            headers = {**headers, "x-requests-remaining": str(self.left)}
        return status, headers


def poller_of(night):
    for pid in children_of(night.process.pid):
        with open(f"/proc/{pid}/cmdline", "rb") as words:
            if b"tipoff-poller" in words.read().split(b"\0")[0]:
                return pid
    return None


def plan_is_kept(night, proxy, limits, checks):
    until(lambda: limits.left <= RESERVE, 60, "the plan's reserve is reached")
    asked = proxy.asked.copy()
    under_way = proxy.count(ODDS)  # what was under way when the reserve was reached may still come
    until(lambda: proxy.count(BDL) > len([p for p in asked if p.startswith(BDL)]) + 2, 60, "the others go on")
    stands = proxy.count(ODDS)
    checks.that(stands <= under_way + 16, f"{stands - under_way} more were asked")
    old = poller_of(night)
    os.kill(old, signal.SIGKILL)
    until(lambda: poller_of(night) not in (None, old), 30, "another poller")
    before = proxy.count(BDL)
    until(lambda: proxy.count(BDL) > before + 3, 60, "it polls what may be polled")
    checks.that(proxy.count(ODDS) == stands, "the plan was spent by a poller that had forgotten it")


def breaker_opens_and_closes(night, proxy, limits, checks):
    limits.down = True
    until(lambda: "breaker-open" in night.logs(), 60, "it is left alone")
    limits.down = False
    before = proxy.count(BDL)
    until(lambda: proxy.count(BDL) > before + 2, 60, "it is asked again")


def main():
    checks = Checks()
    limits = Limits()
    proxy = Proxy(answer_of=limits.answer_of)
    _faults.SETTINGS += [f"poller.bdl.base_url={proxy.url}", f"poller.odds.base_url={proxy.url}", f"poller.odds.reserve={RESERVE}",
                         "poller.breaker_after=3", "poller.breaker_pause=5m", "poller.odds_interval=2m", "poller.games_interval=1m"]
    night = FaultyNight(4, 60)
    try:
        night.start(lambda: setattr(proxy, "base", night.base))
        plan_is_kept(night, proxy, limits, checks)
        breaker_opens_and_closes(night, proxy, limits, checks)
        night.stop()
        runs = [row for row in night.of("ops.run") if row["actor"] == "poller"]
        spent = [r for r in runs if r["name"].startswith("PollOdds") and r["next_check"]]
        checks.that(spent and all(r["next_check"] > "2026-01-15T05" for r in spent), f"spent until {[r['next_check'] for r in spent]}")
        opened = [r for r in runs if r["name"].startswith("PollBdl") and r["next_check"]]
        checks.that(opened and all(r["outcome"] == "failed" for r in opened), f"{opened[:1]}")
        for run in opened[:1]:
            between = [r for r in runs if r["name"].startswith("PollBdl") and r["cause"] == "schedule" and
                       run["closed_at"] < r["opened_at"] < run["next_check"]]
            checks.that(not between, f"asked before {run['next_check']}: {between[:1]}")
    except Failed as failure:
        checks.that(False, str(failure))
    if checks.bad:
        print(night.logs()[-3000:])
    night.remove()
    checks.end()


if __name__ == "__main__":
    main()
