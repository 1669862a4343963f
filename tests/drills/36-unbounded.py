"""36 A buffer without bound: bodies of 200 MiB, and of 1 GiB when unpacked, are refused by name and cost no memory."""
import _night


def drill(night, checks):
    from _drill import Failed, until
    night.begin(start="2026-01-14T23:55:00Z")
    night.playing()
    most = [0]

    def seen():
        most[0] = max(most[0], _night.memory_of(night.pid("poller")))
        if most[0] >= 200 << 20:
            raise Failed(f"the poller took {most[0] >> 20} MiB")
        return [r for r in night.runs("--name", "PollBdlLive") if r["error_class"] == "too_large"]
    night.fault(kind="huge", feed="bdl.live", times=1)
    until(seen, 60, "a huge body is refused")
    night.fault(kind="gzip_bomb", feed="bdl.live", times=1)
    until(lambda: len(seen()) >= 2, 60, "a bomb is refused")
    checks.that(0 < most[0] < 200 << 20, f"the poller took {most[0] >> 20} MiB")
    until(lambda: night.runs("--name", "PollBdlLive")[-1]["outcome"] in ("success", "unchanged"), 60, "and it goes on")
