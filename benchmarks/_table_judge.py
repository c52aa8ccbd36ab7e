"""What the table benchmark measures on a synthetic table, in the same way for every generator."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from _datasets import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from xgboost import XGBClassifier, XGBRegressor

from vaeaug.evaluation.downstream import train_synthetic_test_real
from vaeaug.evaluation.fidelity import column_shapes, pair_trends, rare_category_counts, two_sample_score
from vaeaug.evaluation.privacy import closest_share, distance_to_closest, exact_copies
from vaeaug.evaluation.tables import join_tables

DCR_ROWS = 5000


@dataclass(frozen=True)
class Judge:
    """Measures against one real table; ``threads`` bounds XGBoost."""

    table: Table
    threads: int

    def describe(self) -> dict[str, Any]:
        """Describe the table, and measure its test rows in the place of synthetic and of added ones."""
        train, test = self.conform(self.table.train), self.conform(self.table.test)
        fidelity = self.measure_fidelity(self.table.test, downstream=False) | {
            "c2st_held_out": self._compare_with_held_out(train),
            "utility": self._measure_utility(train, test),
            "copies_share": round(float(exact_copies(test, train).mean()), 5),
        }
        found = {
            "source": self.table.source,
            "train": len(train),
            "test": len(test),
            "fidelity": fidelity,
        }
        if not self.table.regression:
            # Distances are those of held-out rows of the rarest class; classifiers learn real rows alone.
            rare = test[self._is_rarest(test)]
            found["resample"] = self._measure_distances(rare) | self._score_classifiers(train)
        return found

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        return self.table.conform(frame)

    def measure_fidelity(self, synthetic: pd.DataFrame, *, downstream: bool = True) -> dict[str, Any]:
        """Measure columns, pairs, whole rows, rare categories, copies and use for training."""
        kept = [str(synthetic[c].dtype) == str(self.table.train[c].dtype) for c in self.table.train]
        real, synthetic = self.conform(self.table.train), self.conform(synthetic)
        rare = rare_category_counts(real, synthetic, max_share=1.0)
        distances = distance_to_closest(synthetic, real, sample_size=DCR_ROWS)
        result = {
            "shape_error": _read_error(column_shapes(real, synthetic, missing="drop")),
            "trend_error": _read_error(pair_trends(real, synthetic)),
            "c2st_xgb": round(two_sample_score(real, synthetic, estimator=self._xgb(XGBClassifier)), 4),
            # XGBoost's own defaults, as in the comparison of TabPC.
            "c2st_xgb_default": round(
                two_sample_score(
                    real, synthetic, estimator=XGBClassifier(enable_categorical=True, n_jobs=self.threads)
                ),
                4,
            ),
            "dcr_median": round(float(np.median(distances)), 4),
            "copies_share": round(float(exact_copies(synthetic, real).mean()), 5),
            "categories": len(rare),
            "categories_beyond_3_sd": int((rare["z"].abs() > 3).sum()),
            "categories_lost": int((rare["observed"] == 0).sum()),
            "category_z_max": round(float(rare["z"].abs().max()), 2) if len(rare) else None,
            "dtypes_kept": f"{sum(kept)}/{len(kept)}",
        }
        if downstream:
            result["c2st_held_out"] = self._compare_with_held_out(synthetic)
            result["utility"] = self._measure_utility(synthetic, self.conform(self.table.test))
        return result

    def measure_closeness(self, synthetic: pd.DataFrame, half: pd.DataFrame, other: pd.DataFrame) -> float:
        """Measure the share of rows nearer to the half that was fitted than to the other half."""
        tables = (self.conform(frame) for frame in (synthetic, half, other))
        return round(closest_share(*tables, sample_size=2 * DCR_ROWS), 4)

    def measure_added(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Measure added rows: their distance to real ones, and what they do for two classifiers."""
        real, new = self.conform(self.table.train), self.conform(rows)
        both = pd.concat([real, new], ignore_index=True)
        return {"rows": len(new)} | self._measure_distances(new) | self._score_classifiers(both)

    def _compare_with_held_out(self, rows: pd.DataFrame) -> float:
        """Return the two-sample score against test rows, which no generator has seen, of as many rows."""
        test = self.conform(self.table.test)
        rows = rows.sample(min(len(rows), len(test)), random_state=0).reset_index(drop=True)
        return round(two_sample_score(test, rows, estimator=self._xgb(XGBClassifier)), 4)

    def _measure_distances(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Return median distances to the closest training row, of any class and of the rarest, and copies."""
        real = self.conform(self.table.train)
        features = [column for column in real.columns if column != self.table.target]
        own, same = rows[self._is_rarest(rows)], real[self._is_rarest(real)]
        distances = distance_to_closest(rows[features], real[features], sample_size=DCR_ROWS)
        in_class = distance_to_closest(own[features], same[features], sample_size=DCR_ROWS)
        return {
            "dcr_median": round(float(np.median(distances)), 4),
            "dcr_class_median": round(float(np.median(in_class)), 4),
            "copies_share": round(float(exact_copies(rows[features], real[features]).mean()), 5),
        }

    def _is_rarest(self, frame: pd.DataFrame) -> np.ndarray:
        labels = self.conform(self.table.train)[self.table.target]
        return (frame[self.table.target].astype(object) == labels.value_counts().index[-1]).to_numpy()

    def _score_classifiers(self, train: pd.DataFrame) -> dict[str, float]:
        """Return ROC AUC and average precision of the rarest class, on real test rows."""
        test, target = self.conform(self.table.test), self.table.target
        tables = join_tables({"train": train, "test": test})
        y, truth = self._is_rarest(train), self._is_rarest(test)
        X, X_test = (tables.frame(k, 250).drop(columns=[target]) for k in (0, 1))
        boosting = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
        result = {}
        for name, model in (("hgb", boosting), ("xgb", self._xgb(XGBClassifier))):
            scores = model.fit(X, y).predict_proba(X_test)[:, 1]
            result[f"auc_{name}"] = round(float(roc_auc_score(truth, scores)), 4)
            result[f"ap_{name}"] = round(float(average_precision_score(truth, scores)), 4)
        return result

    def _measure_utility(self, train: pd.DataFrame, test: pd.DataFrame) -> float:
        """Return the ROC AUC, or the root mean squared error of a regression, on real test rows."""
        model = self._xgb(XGBRegressor if self.table.regression else XGBClassifier)
        score = train_synthetic_test_real(train, test, target=self.table.target, estimator=model)["synthetic"]
        return round(abs(float(score)), 4)

    def _xgb(self, kind: type) -> Any:
        return kind(
            n_estimators=100,
            max_depth=6,
            tree_method="hist",
            enable_categorical=True,
            max_cat_to_onehot=1000,  # one-hot splits, as in the published protocols
            random_state=0,
            n_jobs=self.threads,
        )


def _read_error(scores: pd.DataFrame | pd.Series) -> float:
    return round(100.0 * (1.0 - float(scores.mean())), 3)
