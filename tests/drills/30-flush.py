"""30 A buffer cleared before its flush succeeded: the broker dies before and behind its commits, and every outbox is kept until it is heard."""
import os


def drill(night, checks):
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", args=("--until-final",),
                speed=1500, env={"TIPOFF_FAULT": ",".join(f"append-before-commit:{n},append-committed:{n + 7}" for n in (20, 60, 110)),
                                 "TIPOFF_FAULT_ONCE": once})
    night.final()
    checks.that(len(os.listdir(once)) >= 4, f"killed: {os.listdir(once)}")
    audit = night.audit()
    checks.that(audit["expected"] and all(r["state"] == "COMPLETE" for r in audit["expected"]),
                f"{[r for r in audit['expected'] if r['state'] != 'COMPLETE'][:2]}")
    night.whole(checks)
