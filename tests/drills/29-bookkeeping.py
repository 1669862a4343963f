"""29 Bookkeeping exhausts the store: what the machinery says of itself is a small part of what the night says."""


def drill(night, checks):
    night.begin(args=("--until-final",), speed=2500)
    night.final()
    streams = night.query("status")["streams"]
    own = [s for s in streams if s["stream"].startswith("ops.")]
    rest = [s for s in streams if s["stream"].split(".")[0] in ("raw", "row", "feature", "prediction", "grade")]
    checks.that(sum(s["bytes"] for s in own) < 0.05 * sum(s["bytes"] for s in rest),
                f"{sum(s['bytes'] for s in own)} bytes of ops, {sum(s['bytes'] for s in rest)} of the night")
    checks.that(8 * sum(s["records"] for s in own) < sum(s["records"] for s in rest),
                f"{sum(s['records'] for s in own)} records of ops, {sum(s['records'] for s in rest)} of the night")
