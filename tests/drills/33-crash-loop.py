"""33 Nobody notices: an actor that crashes again and again is quarantined, and that is critical for everyone who asks."""


def drill(night, checks):
    from _drill import until
    night.begin("supervisor.crash_loop=3", "supervisor.backoff_base=10ms", "supervisor.backoff_cap=50ms",
                env={"TIPOFF_FAULT": "lease-received:1", "TIPOFF_FAULT_ONLY": "grader.0"}, start="2026-01-14T23:30:00Z", wait=False)
    until(lambda: "quarantined" in night.tail(10**6), 60, "it is quarantined")
    until(lambda: any(c["subject"] == "grader.0" for c in night.check()[1]["causes"]), 60, "it is critical")
    until(lambda: night.check()[0] == 2, 30, "tipoff check calls it critical")
    checks.that(night.pid("grader") is None, "what is in quarantine was started again")
