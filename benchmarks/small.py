"""Do new rows of a small class lie where the class lies? VAEOverSampler beside copies, SMOTE and Gaussians.

The class of a real table is cut to k rows beside 1,500 rows of all others. 500 new rows are compared with the
rows of the class that were held out. One process, one thread. A cell is one part (the baselines, vaeaug, or a
peer) of one table, k and seed.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import _bench as bench
import numpy as np
import pandas as pd
from _bench import Record

if TYPE_CHECKING:
    from _small import Cut, Ruler

KEY = ("table", "k", "seed", "part")
DEFAULTS = {"seeds": [0, 1, 2]}
SIZES = (1, 2, 5, 10, 20, 50, 100)
#: Tables on which the defaults for small classes were chosen, and tables that decided nothing.
CHOSEN_ON = (
    "abalone_7",
    "caravan",
    "credit_g",
    "creditcard_fraud",
    "magic_gamma",
    "online_shoppers",
    "pen_digits_5",
    "sick_euthyroid",
)
FINAL = (
    "adult",
    "bank_marketing",
    "default_credit",
    "letter_Z",
    "optical_digits_8",
    "satimage_4",
    "thyroid_sick",
    "wine_quality_4",
)
PEERS = {"argn": "TabularARGN", "tvae": "TVAE"}
PARTS = ("baselines", "vaeaug", *PEERS)
#: Rows of the class that a peer is to draw, at least, to be judged.
FEWEST = 50
#: Ways of VAEAugmenter.generate that are measured without the filter.
METHODS = ("auto", "prior", "posterior", "interpolate")


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    tables, sizes = (("credit_g",), (2, 10)) if options.fast else ((*FINAL, *CHOSEN_ON), SIZES)
    for seed in options.seeds:
        for k in sizes:
            for table in tables:
                yield from ({"table": table, "k": k, "seed": seed, "part": part} for part in PARTS[:2])
    # The peers take longer, and learn little from less.
    for k in (10, 50):
        for table in tables:
            yield from ({"table": table, "k": k, "seed": 0, "part": part} for part in PARTS[2:])


def measure(cell: Record, options: argparse.Namespace) -> Record:
    # It brings vaeaug and torch, which rendering does not need.
    from _small import Ruler, cut

    data = cut(cell["table"], cell["k"], cell["seed"])
    ruler = Ruler(data)
    facts = {"columns": data.X.shape[1], "held_out": len(data.held_out)}
    if cell["part"] == "baselines":
        return facts | {"results": _measure_baselines(data, ruler)}
    if cell["part"] == "vaeaug":
        seconds, made = bench.time_call(make_rows, data, cell, options)
        return facts | {"seconds": seconds, "results": _judge(ruler, made)}
    with tempfile.TemporaryDirectory() as folder:
        found = _ask_peer(data, cell, options, folder)
        if "error" in found:
            return {"error": found["error"].split(" | ")[-1]}
        made = pd.read_parquet(Path(folder) / "made.parquet")
    facts |= {"seconds": found["fit_s"], "drawn": found["drawn"], "made": len(made)}
    facts["versions"] = {name: v for name, v in found["versions"].items() if name in bench.PEERS}
    if len(made) < FEWEST:
        return facts | {"error": f"{len(made)} rows of the class among {found['drawn']}: too few to judge"}
    return facts | {"results": _judge(ruler, {PEERS[cell["part"]]: made})}


def _judge(ruler: "Ruler", made: dict[str, pd.DataFrame]) -> dict[str, Record]:
    return {name: ruler.measure(ruler.space.place(rows)) for name, rows in made.items()}


def _measure_baselines(data: "Cut", ruler: "Ruler") -> dict[str, Record]:
    from _small import BASELINES, NEW, add_smote

    rng = np.random.default_rng(data.seed)
    held_out = ruler.held_out[rng.integers(len(ruler.held_out), size=NEW)]
    points = {"held-out rows": held_out}
    points |= {name: draw(ruler.own, ruler.others, rng) for name, draw in BASELINES.items()}
    found = {name: ruler.measure(rows) for name, rows in points.items()}
    smote = add_smote(data)
    return found if smote is None else found | _judge(ruler, {"SMOTE": smote})


def make_rows(data: "Cut", cell: Record, options: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """Return the new rows of VAEOverSampler with and without its filter, from one fitted model."""
    from _small import NEW

    from vaeaug import VAEAugmenter, VAEOverSampler

    settings = {"max_iter": 1} if options.fast else {}
    model = VAEAugmenter(random_state=cell["seed"], device=options.device, **settings)
    sampler = VAEOverSampler(model, sampling_strategy={1: len(data.given) + NEW}, random_state=cell["seed"])
    rows, _ = sampler.fit_resample(data.X, data.y)
    made = {"VAEOverSampler": rows.iloc[len(data.X) :]}
    for method in METHODS:
        wanted = np.ones(NEW, dtype=int)
        made[f"{method}, unfiltered"], _ = sampler.augmenter_.generate(
            wanted, data.X, data.y, method=method, random_state=cell["seed"]
        )
    return made


def _ask_peer(data: "Cut", cell: Record, options: argparse.Namespace, folder: str) -> Record:
    """Let a peer learn the table with its class, and keep rows of the class of what it draws."""
    from _small import NEW

    data.X.assign(label=data.y).to_parquet(Path(folder) / "train.parquet")
    job = {
        "generator": cell["part"],
        "folder": folder,
        "seed": cell["seed"],
        "categorical": data.categorical,
        "rows": NEW,
        "device": "cpu",
        "settings": {},
    }
    return bench.run_worker("_table_generators:draw_rare", job, python=options.peer_python)


# ---------------------------------------------------------------- report

NOTE = (
    "Geometric means over tables (of each, the mean over seeds) of the energy distance to held-out rows, "
    "divided by SMOTE's. Below 1 is nearer than SMOTE. k = 1: divided by that of copies, since SMOTE needs "
    "two rows."
)
MEASURES_NOTE = (
    "Means over tables and k = 5 to 50. *Two-sample*: 2 (1 − AUC) of a classifier that tells new rows from "
    "held-out ones; 1 is best. *Judged theirs*: share of new rows that a classifier of all rows gives to the "
    "class, divided by that of held-out rows, each judged by models that have not seen it. *Distance*: "
    "median distance to the closest given row, divided by that of held-out rows. *Precision, recall, "
    "density, coverage*: as `vaeaug.evaluation.prdc` computes them."
)
MEASURES = {
    "two_sample": "two-sample",
    "theirs": "judged theirs",
    "reach": "distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "copies": "copies",
}


PEERS_NOTE = (
    "Energy distance divided by SMOTE's, seed 0, and in brackets the share judged theirs divided by that of "
    "held-out rows. TabularARGN is given the class and draws the other cells. TVAE draws all cells, and rows "
    "of the class are kept: *never* one in 20 times as many rows as it was trained on, *too few* in 200 "
    "times as many."
)


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    every = read_frame(records)
    if every.empty:
        return "Nothing measured yet."
    # A peer is measured in some of the cells only: its means say nothing beside those of all.
    frame = every[~every["method"].isin(PEERS.values())]
    sections = {"": bench.tell_conditions([r for r in records if "error" not in r])}
    final = frame["table"].isin(FINAL)
    sections["Energy distance: tables that decided nothing"] = f"{NOTE}\n\n{_tabulate_energy(frame[final])}"
    sections["Energy distance: tables on which defaults were chosen"] = _tabulate_energy(frame[~final])
    sections["Other measures"] = f"{MEASURES_NOTE}\n\n{_tabulate_measures(frame)}"
    sections["Energy distance by table: VAEOverSampler"] = _tabulate_tables(frame)
    sections["Other generators"] = _tabulate_peers(records, every)
    sections["Not measured"] = bench.list_failures([r for r in records if r["part"] not in PEERS], KEY)
    return bench.join_sections(sections)


def read_frame(records: list[Record]) -> pd.DataFrame:
    """Return a row of numbers for each way of making rows, with the energy distance beside SMOTE's."""
    rows = [
        {name: record[name] for name in ("table", "k", "seed")} | {"method": method} | numbers
        for record in records
        for method, numbers in record.get("results", {}).items()
    ]
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    key = ["table", "k", "seed"]
    beside = np.where(frame["k"] == 1, "copies", "SMOTE")
    base = frame[frame["method"] == beside].set_index(key)["energy"].rename("base")
    frame = frame.join(base, on=key)
    return frame.assign(ratio=np.log(frame["energy"] / frame["base"]))


def _tabulate_energy(frame: pd.DataFrame) -> str:
    means = frame.groupby(["method", "table", "k"], sort=False)["ratio"].mean()
    wide = np.exp(means.groupby(["method", "k"], sort=False).mean().unstack("k")).reindex(columns=SIZES)
    rows = [[name, *("–" if np.isnan(v) else f"{v:.2f}" for v in line)] for name, line in wide.iterrows()]
    return bench.markdown_table(["", *(f"k = {k}" for k in SIZES)], rows)


def _tabulate_measures(frame: pd.DataFrame) -> str:
    some = frame[frame["k"].between(5, 50)]
    means = some.groupby("method", sort=False)[list(MEASURES)].mean()
    rows = [[name, *(f"{v:.2f}" for v in line)] for name, line in means.iterrows()]
    return bench.markdown_table(["", *MEASURES.values()], rows)


def _tabulate_tables(frame: pd.DataFrame) -> str:
    mine = frame[frame["method"] == "VAEOverSampler"]
    wide = mine.groupby(["table", "k"], sort=False)["ratio"].mean().unstack("k").reindex(columns=SIZES)
    rows = []
    for name, line in wide.iterrows():
        rows.append([str(name), *("–" if np.isnan(v) else f"{np.exp(v):.2f}" for v in (*line, line.mean()))])
    return bench.markdown_table(["", *(f"k = {k}" for k in SIZES), "mean"], rows)


def _tabulate_peers(records: list[Record], frame: pd.DataFrame) -> str:
    """Return each cell that a peer was asked for, ours beside, and means over those where it was judged."""
    names = ["VAEOverSampler", *PEERS.values()]
    some = frame[frame["method"].isin(names) & (frame["seed"] == 0)]
    found = some.set_index(["k", "table", "method"])[["ratio", "theirs"]]
    asked = {(r["k"], r["table"], PEERS[r["part"]]): r for r in records if r["part"] in PEERS}
    ratio = found["ratio"].unstack("method").reindex(columns=names)

    def tell(cell: tuple[int, str, str]) -> str:
        if cell in found.index:
            energy, theirs = found.loc[cell]
            return f"{np.exp(energy):.2f} ({theirs:.2f})"
        error = asked.get(cell, {}).get("error", "")
        return next((word for word in ("never", "too few") if word in error), "failed" if error else "–")

    rows = [
        [table, str(k), *(tell((k, table, name)) for name in names)]
        for k, table in sorted({cell[:2] for cell in asked})
    ]
    for name in PEERS.values():
        both = np.exp(ratio[ratio[name].notna()].mean())
        if not np.isnan(both[name]):
            shown = [f"**{both[each]:.2f}**" if each in (name, names[0]) else "" for each in names]
            rows.append([f"**mean where {name} was judged**", "", *shown])
    return f"{PEERS_NOTE}\n\n{bench.markdown_table(['', 'k', *names], rows)}" if rows else ""
