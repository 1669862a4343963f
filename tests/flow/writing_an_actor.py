#!/usr/bin/python3
"""docs/WRITING-AN-ACTOR.md does not lie: its code is the code of examples/, which runs, and survives a kill."""
import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(os.environ["TIPOFF_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "fault"))
from _runtime import Runtime, row_count  # noqa: E402
from _wire import Client, records_of  # noqa: E402

ROW = dict(game_id="0022500001", game_date=20251117, player_id=7, player_known=True, player_name="Nikola Jokić",
           team="DEN", opponent="CHI", home=True, game_status="live", minutes=30, points=0, plus_minus=None, played=True,
           final=False)
COUNTS = ["rebounds", "offensive_rebounds", "defensive_rebounds", "assists", "steals", "blocks", "turnovers",
          "personal_fouls", "field_goals_made", "field_goals_attempted", "three_pointers_made", "three_pointers_attempted",
          "free_throws_made", "free_throws_attempted"]


def row(**other):
    return {**ROW, **{name: 0 for name in COUNTS}, **other}


class Producer:
    """The processor, as far as this actor can see."""

    def __init__(self, endpoint):
        self.client, self.sequence = Client(endpoint, "processor"), 1
        self.client.lease()

    def publish(self, *rows):
        records = [(r["game_id"], 1, [], None, r) for r in rows]
        self.client.publish([("row.box_score", 0, self.sequence, records)])
        self.sequence += len(records)


def check_page():
    page = (SOURCE / "docs" / "WRITING-AN-ACTOR.md").read_text()
    blocks = re.findall(r"^```c\n(.*?)^```$", page, re.S | re.M)
    files = [(SOURCE / "examples" / name).read_text() for name in ("high_score.def", "high_score.c")]
    assert blocks == files, "the page and examples/high_score.{def,c} differ"


def main():
    check_page()
    runtime, whole = Runtime([("row.box_score", "processor"), ("example.high_score", "high-score"), ("ops.run", "*"),
                              ("dead", "*")], partitions=1), False
    try:
        runtime.add_broker()
        example = pathlib.Path(os.environ["TIPOFF_BUILD"]) / "examples" / "high-score"
        actor = runtime.add("high-score.0", [str(example), "--dir", str(runtime.dir)], "")
        actor.await_said(" ready ")
        producer = Producer(runtime.endpoint("broker"))
        reader = Client(runtime.endpoint("broker"), "reader")
        reader.subscribe(["example.high_score", "dead", "ops.run"], start=1)
        said, dead, runs = [], [], []

        def read():
            got = reader.receive(0.02)
            for (_, _, _, _, stream, *_), body in got[1] if got and got[0] == b"DLVR" else []:
                records = [payload for *_, payload in records_of(body)]
                reader.credit(len(records), len(body))
                for name, to in ("example.high_score", said), ("dead", dead), ("ops.run", runs):
                    if reader.streams[name][0] == stream:
                        to += records
            return None

        def until(condition, what):
            runtime.until(lambda: read() or condition(), 20, what)

        producer.publish(row(points=28), row(points=31), row(points=33))
        until(lambda: said, "the first 30 points")
        assert said == [{"game_id": "0022500001", "player_id": 7, "player_name": "Nikola Jokić", "points": 31}], said
        actor.kill()
        producer.publish(row(points=35), row(points=40, player_id=8, player_name="B"), row(points=999))
        actor.start()
        until(lambda: dead, "the row with 999 points among the dead")
        assert [(s["player_id"], s["points"]) for s in said] == [(7, 31), (8, 40)], said
        assert dead[0]["rule"] == "row_box_score.points: out of range: 999 > 200", dead
        until(lambda: any(r["outcome"] == "partial" and r["name"] == "HighScores" for r in runs), "a partial run")
        assert row_count(runtime.environment("high-score", 0), "said") == 2
        assert actor.stop() == 0
        whole = True
    finally:
        runtime.close(keep=not whole)


if __name__ == "__main__":
    main()
