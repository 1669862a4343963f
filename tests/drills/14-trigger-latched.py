"""14 A trigger latched before it was delivered: every actor is killed between its commit and its publish, and what it had to say is said."""
import os


def drill(night, checks):
    once = os.path.join(night.dir, "once")
    os.mkdir(once)
    night.begin("supervisor.crash_loop=1000", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms", args=("--until-final",),
                speed=1500, env={"TIPOFF_FAULT": "step-committed:5,step-committed:17", "TIPOFF_FAULT_ONCE": once})
    night.final()
    checks.that(len(os.listdir(once)) >= 6, f"killed: {os.listdir(once)}")
    audit = night.audit()
    checks.that(audit["expected"] and all(r["state"] == "COMPLETE" for r in audit["expected"]),
                f"{[r for r in audit['expected'] if r['state'] != 'COMPLETE'][:2]}")
    night.whole(checks)
