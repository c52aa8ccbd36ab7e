"""The results of the table benchmark as Markdown."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from _common import markdown_table, spread

__all__ = ["render"]


def render(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    records = [record for record in results["records"] if "error" not in record]
    tables = list(results["tables"])
    methods = list(dict.fromkeys(record["method"] for record in records))
    parts = [_conditions(results)]
    if "adult" in tables:
        parts += ["### Adult", _detail(results, records, "adult", methods)]
    fields = (
        ("XGB-C2ST (1: cannot be told apart)", "c2st_xgb", 3),
        ("Pair-trend error, %", "trend_error", 2),
        ("Column-shape error, %", "shape_error", 2),
        ("Trained on synthetic, tested on real: AUC (RMSE for beijing_pm25)", "utility", 4),
    )
    for title, field, digits in fields:
        parts += [f"### {title}", _overview(results, records, tables, methods, field, digits)]
    parts += ["### Fit, seconds", _times(records, tables, methods, "fit_s", 1)]
    parts += ["### Sampling, rows/s", _times(records, tables, methods, "rows_per_s", 0)]
    parts += ["### Copying", _copying(results, records, tables, methods)]
    parts += ["### Rare categories", _rare(records, tables, methods)]
    parts += ["### Rows added by `resample` / `fit_resample`", _resampling(results, records, tables, methods)]
    failed = [record for record in results["records"] if "error" in record]
    if failed:
        parts += [
            "### Not measured",
            "\n".join(f"- {r['table']}, {r['method']}: {r['error']}" for r in failed),
        ]
    return "\n\n".join(part for part in parts if part)


def _conditions(results: dict[str, Any]) -> str:
    lines = []
    for started, run in results["runs"].items():
        if not any(record["run"] == started for record in results["records"]):
            continue
        facts = run["machine"]
        used: dict[str, str] = {}
        for record in results["records"]:
            if record["run"] == started:
                used |= record.get("versions", {})
        used |= {name: run["judge"][name] for name in ("xgboost", "sdmetrics") if name in run["judge"]}
        place = facts["gpu"] if run["device"] != "cpu" and facts["gpu"] else facts["cpu"]
        lines.append(
            f"Run of {started}: {place}, {facts['cores']} cores, {run['threads']} threads each, "
            f"{facts['memory_gb']} GB, load {facts['load_average']} at the start; Python {facts['python']}, "
            + ", ".join(f"{name} {number}" for name, number in sorted(used.items()))
            + f"; seeds {', '.join(map(str, run['seeds']))}."
            + (" **Smoke test on 1,500 rows, not a result.**" if run["fast"] else "")
        )
    return "\n\n".join(lines)


def _of(records: list[dict[str, Any]], table: str, method: str) -> list[dict[str, Any]]:
    return [record for record in records if record["table"] == table and record["method"] == method]


def _detail(results: dict[str, Any], records: list[dict[str, Any]], table: str, methods: list[str]) -> str:
    header = [
        "",
        "fit s",
        "rows/s",
        "peak MB",
        "shape err %",
        "trend err %",
        "XGB-C2ST",
        "… default XGB",
        "AUC",
    ]
    rows = []
    for method in methods:
        found = _of(records, table, method)
        if not found:
            continue
        made = [record["fidelity"] for record in found]
        rows.append(
            [method]
            + [
                spread((r[key] for r in found), digits)
                for key, digits in (("fit_s", 1), ("rows_per_s", 0), ("peak_mb", 0))
            ]
            + [spread((m[key] for m in made), 2) for key in ("shape_error", "trend_error")]
            + [spread((m[key] for m in made), 3) for key in ("c2st_xgb", "c2st_xgb_default")]
            + [spread((m["utility"] for m in made), 4)]
        )
    real = results["tables"][table]["real"]
    rows.append(
        ["*held-out real rows*", "–", "–", "–", f"{real['shape_error']:.2f}", f"{real['trend_error']:.2f}"]
        + [
            f"{real['c2st_xgb']:.3f}",
            f"{real['c2st_xgb_default']:.3f}",
            f"{real['utility']:.4f} (trained on real)",
        ]
    )
    return markdown_table(header, rows)


def _overview(
    results: dict[str, Any],
    records: list[dict[str, Any]],
    tables: list[str],
    methods: list[str],
    field: str,
    digits: int,
) -> str:
    rows = [
        [method]
        + [spread((r["fidelity"][field] for r in _of(records, table, method)), digits) for table in tables]
        for method in methods
    ]
    label = "*trained on real rows*" if field == "utility" else "*held-out real rows*"
    rows.append([label] + [f"{results['tables'][table]['real'][field]:.{digits}f}" for table in tables])
    return markdown_table(["", *tables], rows)


def _times(
    records: list[dict[str, Any]], tables: list[str], methods: list[str], field: str, digits: int
) -> str:
    rows = [
        [method] + [spread((r[field] for r in _of(records, table, method)), digits) for table in tables]
        for method in methods
    ]
    return markdown_table(["", *tables], rows)


def _copying(
    results: dict[str, Any], records: list[dict[str, Any]], tables: list[str], methods: list[str]
) -> str:
    """Share nearer to the fitted half / median distance relative to held-out rows' / exact copies."""
    rows = []
    for method in methods:
        cells = []
        for table in tables:
            found, real = _of(records, table, method), results["tables"][table]["real"]
            share = spread((r.get("closest_share") for r in found), 3)
            ratio = spread(
                (
                    r["fidelity"]["dcr_median"] / real["dcr_median"] if real["dcr_median"] else None
                    for r in found
                ),
                2,
            )
            copies = spread((100 * r["fidelity"]["copies_share"] for r in found), 2)
            cells.append(f"{share} / {ratio} / {copies} %" if found else "–")
        rows.append([method, *cells])
    real_copies = [
        f"½ / 1 / {100 * results['tables'][table]['real']['copies_share']:.2f} %" for table in tables
    ]
    rows.append(["*held-out real rows*", *real_copies])
    note = (
        "Share of rows nearer to the half of the training rows that was fitted than to the other half (½ "
        "is ideal) / median distance to the closest training row, relative to that of held-out real rows / "
        "exact copies of training rows."
    )
    return note + "\n\n" + markdown_table(["", *tables], rows)


def _rare(records: list[dict[str, Any]], tables: list[str], methods: list[str]) -> str:
    rows = []
    for method in methods:
        cells = []
        for table in tables:
            made = [record["fidelity"] for record in _of(records, table, method)]
            beyond = spread((m["categories_beyond_3_sd"] for m in made), 0)
            lost, z = (
                spread((m["categories_lost"] for m in made), 0),
                spread((m["category_z_max"] for m in made), 1),
            )
            cells.append(f"{beyond} of {made[0]['categories']} / {lost} / {z}" if made else "–")
        rows.append([method, *cells])
    note = (
        "Of the categories with at least 5 training rows: how many are off their expected count by more than "
        "3 binomial standard deviations / how many never appear / the largest deviation."
    )
    return note + "\n\n" + markdown_table(["", *tables], rows)


def _resampling(
    results: dict[str, Any], records: list[dict[str, Any]], tables: list[str], methods: list[str]
) -> str:
    header = ["table, sampler", "DCR", "× SMOTENC", "DCR in class", "× SMOTENC", "copies %"]
    header += ["HGB AUC", "HGB AP", "XGB AUC", "XGB AP"]
    rows = []
    for table in tables:
        plain = results["tables"][table].get("no_resampling")
        if plain is None:
            continue
        anchors = [r["resample"] for r in _of(records, table, "SMOTENC") if "resample" in r]
        rows.append([f"{table}, *none*", *_added([plain], anchors)])
        for method in methods:
            found = [r["resample"] for r in _of(records, table, method) if "resample" in r]
            if found:
                rows.append([f"{table}, {method}", *_added(found, anchors)])
    note = (
        "DCR: median distance of the added rows to the closest training row; in class: of the rarest class's "
        "rows to the closest training row of that class. In the rows *none* these are the distances of "
        "held-out real rows of the rarest class: what new rows of that class are really like."
    )
    return note + "\n\n" + markdown_table(header, rows) if rows else ""


def _added(found: list[dict[str, Any]], anchors: list[dict[str, Any]]) -> list[str]:
    cells = []
    for key in ("dcr_median", "dcr_class_median"):
        values = [record[key] for record in found]
        base = fmean([record[key] for record in anchors]) if anchors else 0.0
        cells += [spread(values, 3), spread((value / base if base else None for value in values), 2)]
    cells.append(spread((100 * record["copies_share"] for record in found), 2))
    return cells + [spread((r[key] for r in found), 4) for key in ("auc_hgb", "ap_hgb", "auc_xgb", "ap_xgb")]
