#!/usr/bin/python3
# ctest: timeout=120
"""A feed that comes in pages: each page is asked for, also behind one that has not changed, and what is on any of them becomes rows.
The upstream is asked through a proxy that has it give three players a page."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import _faults  # noqa: E402
from _faults import Checks, Failed, FaultyNight, until  # noqa: E402
from _proxy import Proxy  # noqa: E402

EACH = 3
FEED = "/v1/player_injuries"


def live(night, proxy, checks):
    listed = [row["player"]["id"] for row in night.get(FEED + "?per_page=100")["data"]]
    checks.that(len(listed) > 2 * EACH, f"the league has {len(listed)} on its list")
    pages = -(-len(listed) // EACH)
    cursors = [""] + [str(EACH * i) for i in range(1, pages)]

    def asked():  # the next round may begin before this one has ended
        return [path.partition("cursor=")[2] for path in proxy.asked if path.startswith(FEED)]
    until(lambda: set(asked()) >= set(cursors) and asked().count("") > 1, 60, f"{pages} pages, and the first once more")
    order = list(dict.fromkeys(asked()))
    checks.that(order == cursors, f"asked for {order}")
    until(lambda: all(asked().count(cursor) > 1 for cursor in cursors), 60, "the others once more")
    return len(listed)


def main():
    checks = Checks()
    proxy = Proxy(path_of=lambda path: path.replace("per_page=100", f"per_page={EACH}") if path.startswith(FEED) else path)
    _faults.SETTINGS += [f"poller.bdl.base_url={proxy.url}", "poller.injuries_interval=1m"]
    night = FaultyNight(4, 60)
    try:
        night.start(lambda: setattr(proxy, "base", night.base))
        listed = live(night, proxy, checks)
        night.stop()
        known = {row["player_id"] for row in night.of("row.injury")}
        checks.that(len(known) == listed, f"{len(known)} of {listed} became rows")
        causes = {row["cause"] for row in night.of("ops.run") if row["name"] == "PollBdlInjuries"}
        checks.that({"schedule", "page"} <= causes <= {"schedule", "page", "retry"}, f"causes {causes}")
    except Failed as failure:
        checks.that(False, str(failure))
    night.remove()
    checks.end()


if __name__ == "__main__":
    main()
