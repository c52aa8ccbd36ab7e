"""The imbalance benchmark's own machinery: sets, learners, resumption, report."""

import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name, monkeypatch):
    """Import a benchmark file as its scripts do, from their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module(name)


@pytest.fixture
def report(monkeypatch):
    return load("imbalance", monkeypatch)


@pytest.fixture
def sets(monkeypatch):
    return load("_imbalance_cells", monkeypatch)


def numbers(auc, **more):
    base = {
        "roc_auc": auc,
        "average_precision": auc / 2,
        "balanced_accuracy": 0.7,
        "f1": 0.4,
        "tuned_f1": 0.5,
    }
    return base | {"log_loss": 0.2, "brier": 0.1, "calibration_slope": 1.0, "seconds": 1.5} | more


def made_lines():
    """Make results of seven sets, two learners, two folds: synthetic rows gain .02, copies lose .01."""
    lines = []
    for s in range(7):
        for fold in (0, 1):
            head = {"set": f"set_{s}", "repeat": 0, "fold": fold, "rows": 100, "all_rows": 100}
            auc = 0.7 + 0.01 * s
            simple = {"nothing": numbers(auc), "duplicates (ratio 1)": numbers(auc - 0.01)}
            ours = {"nothing": numbers(auc), "VAEOverSampler, third of the way": numbers(auc + 0.01)}
            ours |= {
                "VAEOverSampler, two thirds of the way": numbers(auc),
                "VAEOverSampler (ratio 1)": numbers(auc + 0.02),
            }
            ours |= {"VAEOverSampler, blended": numbers(auc + 0.03)}
            auto = {"auto": numbers(auc + 0.01) | {"choice": "nothing", "table": {"nothing": {}}}}
            for part, arms in (("simple", simple), ("vaeaug", ours), ("auto", auto)):
                results = dict.fromkeys(("logistic regression", "5-NN"), arms)
                lines.append(head | {"part": part, "results": results})
            lines[-3]["dcr"], lines[-2]["dcr"] = {"SMOTE": 0.2}, {"VAEOverSampler": 0.5}
            lines.append(head | {"part": "distances", "dcr": {"held out": 0.44}})
            lost = {"nothing": numbers(auc), "ctgan TVAE (ratio 1)": {"error": "RuntimeError: none drawn"}}
            found = lost | {"ctgan TVAE (ratio 1)": numbers(auc)}
            lines.append(head | {"part": "tvae", "results": {"5-NN": lost if s == 3 else found}})
            judged = {
                "verdict": "helps",
                "outer_gain": 0.1 - 0.2 * (s == 0),
                "outer_low": 0.0,
                "outer_high": 0.2,
            }
            lines.append(head | {"part": "verdict", "results": {"5-NN": judged}})
    return lines


def test_a_cell_has_every_strategy(report):
    frame = report.read_frame(made_lines(), report.STRATEGY_PARTS)
    arms = report.list_strategies(frame)
    assert arms[0] == "nothing"
    assert "VAEOverSampler, third of the way" in arms
    assert "VAEOverSampler (ratio 1)" in arms
    assert len(frame.xs("nothing", level="strategy")) == 7 * 2 * 2


def test_the_report_has_differences_and_a_paired_test(report):
    text = report.render(made_lines())
    line = next(line for line in text.splitlines() if line.startswith("| VAEOverSampler (default)"))
    assert "+0.0200" in line
    assert "| 0.016 |" in line  # Wilcoxon of seven equal signs
    assert line.endswith("0 % |")
    assert "100 %" in next(line for line in text.splitlines() if line.startswith("| duplicates"))


def test_what_blends_and_filters_bring_is_told_on_the_same_halves(report):
    lines = made_lines()
    half = {"set": "set_1", "repeat": 0, "fold": 1, "part": "attribution"}
    arms = {"nothing": numbers(0.71), "bootstrap": numbers(0.6), "bootstrap, blended": numbers(0.715)}
    arms["SMOTE, filtered (ratio 1)"] = numbers(0.69)
    text = report.render([*lines, half | {"results": dict.fromkeys(("logistic regression", "5-NN"), arms)}])
    table = text.split("What is due to the generator")[1].split("### ")[0]
    assert "on 1 halves of 1 sets" in table
    assert "| bootstrap of the same rows, blended | +0.0050 | +0.0025 | 0 % | 0 % |" in table
    assert "| SMOTE, filtered by the committee | -0.0200 | -0.0100 | 100 % | 100 % |" in table
    assert "| VAEOverSampler, blended | +0.0300 | +0.0150 | 0 % | 0 % |" in table
    # The other tables know nothing of it.
    assert text.startswith(report.render(lines).split('### What "auto"')[0].rstrip())


def test_a_set_of_more_repeats_weighs_no_more_than_another(report):
    lines = made_lines()
    simple = next(line for line in lines if line.get("part") == "simple")
    more = {"nothing": numbers(0.7), "duplicates (ratio 1)": numbers(0.8)}
    for repeat in range(1, 10):
        results = dict.fromkeys(("logistic regression", "5-NN"), more)
        lines += [simple | {"repeat": repeat, "fold": fold, "results": results} for fold in (0, 1)]
    text = report.render(lines)
    # Of set_0 nine tenths gain .10 and one loses .01; the other six sets lose .01.
    wanted = ((0.9 * 0.1 - 0.1 * 0.01) - 6 * 0.01) / 7
    assert f"{wanted:+.4f}" in next(line for line in text.splitlines() if line.startswith("| duplicates"))


def test_the_report_counts_the_slopes_that_are_kept(report):
    lines = made_lines()
    for line in lines:
        if line.get("part") == "auto":
            for arms in line["results"].values():
                # In set_0 each fold is off by itself, in set_1 both are: .85 and 1.15, and twice 1.3.
                off = {"set_0": (0.85, 1.15), "set_1": (1.3, 1.3)}.get(line["set"], (1.0, 1.0))
                arms["auto"] = arms["auto"] | {"calibration_slope": off[line["fold"]]}
    text = report.render(lines)
    row = next(
        line for line in text.splitlines() if line.startswith("| AugmentedClassifier") and " of " in line
    )
    assert [cell.strip() for cell in row.split("|")][-5:-1] == ["1.00", "86 %", "86 % of 14", "71 % of 28"]
    assert "keeps it from one fold to the other in 100 %" in text


def test_the_report_tells_choices_verdicts_and_distances(report):
    text = report.render(made_lines())
    assert "| plain training | 14 | 14 |" in text
    assert "| helps | 14 | 12 |" in text
    assert "Agreement in 86 % of 14 cells" in text
    assert "Of 12 cells with a gain above 0.01 there, 12 are told" in text
    assert "Of 14 told *helps*, 2 lost more than 0.002" in text
    assert "as often as assess repeats them" not in text
    again = [line | {"part": "verdict_repeated"} for line in made_lines() if line.get("part") == "verdict"]
    assert report.render(made_lines() + again).count("Agreement in 86 % of 14 cells") == 2
    assert "| **median** | **2.50** | **2.20** |" in text


def test_cells_that_failed_are_listed(report):
    lines = [*made_lines(), {"set": "x", "part": "tvae", "repeat": 0, "fold": 0, "error": "ValueError: no"}]
    text = report.render(lines)
    assert "- x, tvae: ValueError: no" in text
    assert "- ctgan TVAE (ratio 1): RuntimeError: none drawn, in 2 of 14 cells (set_3)." in text


def test_without_results_the_report_says_so(report):
    assert report.render([]) == "Nothing measured yet."


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder of data with one table of 200 rows."""
    folder = tmp_path / "tabular" / "stroke"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    y = (np.arange(200) % 10 == 0).astype(int)
    frame = pd.DataFrame(
        {"id": range(200), "size": rng.normal(size=200) + 2 * y, "code": rng.integers(0, 3, 200)}
    )
    frame = frame.assign(town=rng.choice(["A", "B"], 200), same=1, stroke=y)
    frame.loc[::7, "size"] = None
    frame.to_parquet(folder / "data.parquet")
    meta = {"target": "stroke", "task": "classification", "categorical": ["code", "town"], "source": "made"}
    (folder / "meta.json").write_text(json.dumps(meta))
    monkeypatch.setenv("VAEAUG_DATA", str(tmp_path))


def test_sets_are_read_and_learned(small, sets):
    pytest.importorskip("pyarrow")
    data = sets.load_set("stroke")
    assert data.ratio == 9
    assert list(data.X) == ["size", "code", "town"]  # neither the number of a row nor a constant
    assert (data.X.dtypes[["code", "town"]] == "category").all()
    for name in sets.LEARNERS:
        model = sets.build_learner(name, data.X, 0).fit(data.X, data.y)
        assert model.predict_proba(data.X).shape == (200, 2)


def test_large_sets_are_subsampled_class_by_class(small, sets):
    pytest.importorskip("pyarrow")
    data = sets.load_set("stroke", most=100)
    assert (len(data.X), int(data.y.sum()), data.rows) == (100, 10, 200)


def test_there_are_enough_sets(sets):
    assert len(sets.SETS) >= 16


@pytest.mark.slow  # four classifiers, all strategies
def test_fits_are_shared_and_cells_hold_every_arm(small, sets, monkeypatch):
    pytest.importorskip("pyarrow")
    from jitter import Jitter

    from vaeaug import VAEOverSampler

    cells = load("_imbalance_cells", monkeypatch)
    monkeypatch.setattr(cells, "VAEOverSampler", lambda **kw: VAEOverSampler(Jitter(), **kw))
    few = {name: cells.LEARNERS[name] for name in ("logistic regression", "5-NN")}
    monkeypatch.setattr(cells, "LEARNERS", few)
    data = sets.load_set("stroke")
    fold = cells.list_halves(data, 0)[0]
    assert not set(fold.train) & set(fold.test)
    cell = cells.Half(data, 0, fold, "python")
    Jitter.fits = 0
    found = cell.measure("vaeaug")
    assert Jitter.fits == 1
    arms = found["results"]["5-NN"]
    ways = ["VAEOverSampler, third of the way", "VAEOverSampler, two thirds of the way"]
    blended = [f"{way}, blended" for way in (*ways, "VAEOverSampler")]
    assert [arm for arm in arms if arm.startswith("VAE")] == [*ways, "VAEOverSampler (ratio 1)", *blended]
    assert found["dcr"]["VAEOverSampler"] >= 0
    assert 0 < cell.measure("distances")["dcr"]["held out"] < np.inf
    Jitter.fits = 0
    auto = cell.measure("auto")["results"]
    assert auto["5-NN"]["auto"]["choice"] in auto["5-NN"]["auto"]["table"]
    assert 3 <= Jitter.fits <= 3 + 3  # inner folds once, and at most one fit for each ratio chosen
    json.dumps(auto)


def test_probabilities_are_held_against_what_came_of_them(monkeypatch):
    imbalance = load("imbalance", monkeypatch)
    said = [
        {"probability": p, "outer_gain": gain}
        for p, gain in [(0.9, 0.1), (0.9, 0.1), (0.1, 0.1), (0.1, -0.1)]
    ]
    text = imbalance._tabulate_probabilities(said)
    assert "| 80 to 100 % | 2 | 90 % | 100 % |" in text
    assert "| 0 to 20 % | 2 | 10 % | 50 % |" in text
    assert "Calibration error: 0.250." in text
    assert imbalance._tabulate_probabilities([{"outer_gain": 0.1}]) == ""


@pytest.mark.parametrize("used", [(1.0, 0.0), (2.0, 0.3)])
def test_the_correction_of_expectations_is_found_again(used, monkeypatch):
    prior, rng = load("_gain_prior", monkeypatch), np.random.default_rng(0)
    # What is expected is 1.5 times too sure and half a spread too high, and was corrected by `used` before.
    place = rng.normal(0, 1.5, 4000)
    gains = np.where(rng.normal(size=4000) < (place - 0.5) / 1.5, 0.01, -0.01)
    wider, lower = used
    cells = [
        {
            "inner_gain": z - lower,
            "inner_low": z - lower - 1.96 * wider,
            "inner_high": z - lower + 1.96 * wider,
            "outer_gain": gain,
            "correction": used,
        }
        for z, gain in zip(place, gains, strict=True)
    ]
    found = prior.estimate_correction([{"part": "verdict", "results": dict(enumerate(cells))}])
    assert found == pytest.approx([1.5, 0.5], abs=0.12)
    assert prior.estimate_correction([{"part": "verdict", "results": {"5-NN": cells[0]}}]) is None


def test_a_verdict_is_corrected_by_the_other_tables_alone(monkeypatch):
    prior = load("_gain_prior", monkeypatch)

    def line(name, mean, gain):
        cell = {"inner_gain": mean, "inner_low": mean - 0.0196, "inner_high": mean + 0.0196}
        cell |= {"correction": (1.0, 0.0), "outer_gain": gain, "verdict": "helps", "probability": 0.99}
        return {"set": name, "part": "verdict", "results": dict.fromkeys("abcd", cell)}

    # Expectations of two spreads came true in half of the cells, and those of none in no cell.
    others = [line(f"t{i}_x", 0.02 * (i % 2), 0.02 if i % 4 == 1 else -0.02) for i in range(20)]
    own = [line("own_1", 0.02, 0.3), line("own_2", 0.02, -0.3)]
    found = prior.correct_verdicts(others + own)[-8:]
    assert {each["verdict"] for each in found} == {"no evidence of help"}
    assert all(each["probability"] == pytest.approx(0.5, abs=0.02) for each in found)
    assert [each["outer_gain"] for each in found] == [0.3] * 4 + [-0.3] * 4
    assert prior.correct_verdicts(own)[0] == own[0]["results"]["a"]  # too few to correct


@pytest.mark.parametrize(("verdict", "gain", "right"), [("probably helps", 0.1, True), ("hurts", 0.1, False)])
def test_a_verdict_agrees_with_what_came_of_it(verdict, gain, right, monkeypatch):
    imbalance = load("imbalance", monkeypatch)
    assert imbalance._agrees({"verdict": verdict, "outer_gain": gain}) is right
