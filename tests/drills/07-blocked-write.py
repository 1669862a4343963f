"""7 A blocked write that is skipped, and completion said: while nothing can be written nothing is acknowledged; then all of it is there."""


def drill(night, checks):
    night.begin(args=("--until-final",), speed=2500,
                env={"TIPOFF_FAULT": ",".join(f"disk-full:{n}:fail" for n in range(100, 130)), "TIPOFF_FAULT_ONLY": "broker"})
    night.final()
    checks.that(night.logged("broker").count("append-failed") >= 5, "no write was blocked")
    audit = night.audit()
    checks.that(all(r["state"] == "COMPLETE" for r in audit["expected"]), f"{[r for r in audit['expected'] if r['state'] != 'COMPLETE'][:2]}")
    night.whole(checks)
