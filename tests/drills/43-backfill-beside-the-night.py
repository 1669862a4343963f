"""History is polled beside a live night: within its budget, and the live feed is asked as ever."""
import json
import time

from _night import instant


def drill(night, checks):
    from _drill import until
    night.begin(start="2026-01-14T23:55:00Z", speed=120)
    night.playing(90)

    def lives():
        return [r for r in night.runs("--name", "PollBdlLive") if r["outcome"] in ("success", "unchanged")]
    until(lambda: len(lives()) >= 4, 60, "some polls")
    began = time.monotonic()
    done = night.command("backfill", "--feed", "bdl_games", "--from", "2025-12-20", "--to", "2025-12-25", "--per-minute", "60", "--json",
                         check=False)
    seconds = time.monotonic() - began
    said = json.loads(done.stdout)
    checks.that(done.returncode == 0 and said["days"] == 6 and said["failed"] == 0 and said["success"] + said["empty"] == 6, f"backfill: {said}")
    checks.that(5 <= seconds < 60, f"six requests at one a second took {seconds:.1f} s")
    polls = lives()
    pauses = [(instant(b["closed_at"]) - instant(a["closed_at"])).total_seconds() for a, b in zip(polls, polls[1:])]
    checks.that(max(pauses) < 5 * 60, f"the live feed waited {max(pauses):.0f} s of league time")
    checks.that(not night.alerts("stale"), "the live feed went stale")
    again = night.query("backfill", "--feed", "bdl_games", "--from", "2025-12-20", "--to", "2025-12-20", "--per-minute", "600")
    checks.that(again["unchanged"] == 1, f"the same once more: {again}")
    full = night.command("backfill", "--feed", "bdl_games", "--from", "2025-12-20", "--to", "2025-12-20", "--set",
                         "janitor.disk_stop=1000000GiB", check=False)
    checks.that(full.returncode == 75 and b"MiB free" in full.stderr and b"--from 2025-12-20" in full.stderr, f"no disk: {full}")
    for words in (["--feed", "toast", "--from", "2025-12-20", "--to", "2025-12-20"], ["--feed", "bdl_games", "--from", "2025-12-20"]):
        checks.that(night.command("backfill", *words, check=False).returncode == 64, f"usage: {words}")
    night.end()
    checks.that(night.command("backfill", "--feed", "bdl_games", "--from", "2025-12-20", "--to", "2025-12-20", check=False).returncode == 69,
                "nothing runs, and somebody polls")
