"""29 Bookkeeping exhausts the store: what the machinery says of itself is less than what the night says."""


def drill(night, checks):
    night.begin(args=("--until-final",), speed=2500)
    night.final()
    streams = night.query("status")["streams"]
    own = [s for s in streams if s["stream"].startswith("ops.")]
    rest = [s for s in streams if s["stream"].split(".")[0] in ("raw", "row", "feature", "prediction", "grade")]
    checks.that(sum(s["bytes"] for s in own) < 0.25 * sum(s["bytes"] for s in rest),
                f"{sum(s['bytes'] for s in own)} bytes of ops, {sum(s['bytes'] for s in rest)} of the night")
    checks.that(sum(s["records"] for s in own) < sum(s["records"] for s in rest), "more records about the night than of it")
