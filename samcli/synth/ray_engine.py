"""Samples made on a cluster by Ray Data: one pool of actors for each group of steps, streaming from one to the next."""

import json
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from samcli.gpus import actors_of
from samcli.on_ray import ray_started, rows_as_done
from samcli.synth.ledger import Entry
from samcli.synth.work import Bundle, Made, Work, built_step


def make_on_ray(work: Work, out: Path, bundles: Sequence[Bundle]) -> Generator[Made | None, None, None]:
    """The finished samples of each bundle as they are done; `out` and all sources must be the same place everywhere.

    Joins the cluster that $RAY_ADDRESS names, or starts Ray on this machine. An actor that is lost is started again and
    its bundle made again. Raises UserError without Ray.
    """
    if not bundles:
        return
    ray = ray_started()
    cluster: dict[str, float] = ray.cluster_resources()
    rows = ray.data.from_items(
        [{"items": work.pack(bundle), "seconds": "{}"} for bundle in bundles], override_num_blocks=len(bundles)
    )
    gpus = cluster.get("GPU", 0.0)
    counts, shares = actors_of([work.gpus(pool) if gpus else 0.0 for pool in work.pools], gpus, len(bundles))
    others = counts.count(0)
    cpus = cluster.get("CPU", 1.0) / max(1, others)
    for pool, count, share in zip(work.pools, counts, shares, strict=True):
        actors = count or max(1, min(int(cpus), len(bundles)))
        rows = rows.map(
            _Actor,
            fn_constructor_args=(work, str(out), pool),
            concurrency=actors,
            num_gpus=share,
            num_cpus=0.01 if share else round(min(1.0, 0.9 * cpus / actors), 2),
        )
    with closing(rows_as_done(rows, len(bundles))) as done:
        for row in done:
            if row is None:
                yield None
            else:
                entries = [Entry(line["manifest"], line["annotation"]) for line in json.loads(row["items"])]
                yield Made(tuple(entries), json.loads(row["seconds"]))


class _Actor:
    """Holds some of the steps, and their models, on one machine."""

    def __init__(self, work: Work, out: str, pool: tuple[str, ...]) -> None:
        self.work, self.pool = work, pool
        self.steps = [built_step(work, name, Path(out)) for name in pool]

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        items, seconds = self.work.unpack(row["items"]), json.loads(row["seconds"])
        for name, step in zip(self.pool, self.steps, strict=True):
            began = time.perf_counter()
            items = step(items)
            seconds[name] = time.perf_counter() - began
        return {"items": self.work.pack(items), "seconds": json.dumps(seconds)}
