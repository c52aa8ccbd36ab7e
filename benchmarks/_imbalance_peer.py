"""ctgan's TVAE in a process of its own: ``_imbalance_peer.py job.json answer.json``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from ctgan import TVAE

#: Draws of as many rows as were trained on, before the rare class counts as lost.
MOST_DRAWS = 200


def main(request: str, answer: str) -> None:
    job = json.loads(Path(request).read_text())
    table = pd.read_parquet(job["train"])
    for name in table:
        if name in job["categorical"]:
            column = table[name].astype(object)
            table[name] = column.where(column.notna(), "<missing>").astype(str)
        elif name != "label":
            # It fits numbers with missing values but cannot sample them again.
            table[name] = table[name].astype(float).fillna(table[name].astype(float).median())
    torch.manual_seed(job["seed"])
    model = TVAE(enable_gpu=False)
    model.set_random_state(job["seed"])
    start = time.perf_counter()
    model.fit(table, [*job["categorical"], "label"])
    kept: list[pd.DataFrame] = []
    for _ in range(MOST_DRAWS):
        drawn = model.sample(len(table))
        kept.append(drawn[drawn["label"].astype(int) == 1])
        if sum(map(len, kept)) >= job["rows"]:
            break
    new = pd.concat(kept, ignore_index=True).iloc[: job["rows"]]
    if not len(new):
        raise SystemExit("the rare class was never drawn")
    new.drop(columns=["label"]).to_parquet(job["made"])
    Path(answer).write_text(json.dumps({"seconds": time.perf_counter() - start, "rows": len(new)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
