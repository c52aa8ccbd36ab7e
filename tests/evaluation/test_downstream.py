import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from vaeaug.errors import InputError
from vaeaug.evaluation.downstream import train_synthetic_test_real


def test_binary(real, twin):
    scores = train_synthetic_test_real(real, twin, target="flag", real=real)
    assert list(scores.index) == ["synthetic", "real"]
    assert scores["synthetic"] == scores["real"]
    assert scores["real"] > 0.99


def test_noise_is_worth_nothing(real, twin):
    noise = real.assign(flag=np.random.default_rng(0).permutation(real["flag"]))
    assert abs(train_synthetic_test_real(noise, twin, target="flag")["synthetic"] - 0.5) < 0.15


def test_strings_and_several_classes(real, twin):
    rows = [table[table["colour"].notna()] for table in (real, twin)]
    assert train_synthetic_test_real(*rows, target="colour")["synthetic"] > 0.6


def test_class_that_the_synthetic_table_lost(real, twin):
    rows = [table[table["colour"].notna()] for table in (real, twin)]
    kept = train_synthetic_test_real(*rows, target="colour")["synthetic"]
    rows[0] = rows[0].query("colour != 'green'")
    lost = train_synthetic_test_real(*rows, target="colour")["synthetic"]
    assert lost < kept


def test_collapsed_to_one_class(real, twin):
    assert train_synthetic_test_real(real[real["flag"]], twin, target="flag")["synthetic"] == 0.5


def test_regression(real, twin):
    rows = [table[table["weight"].notna()] for table in (real, twin)]
    error = -train_synthetic_test_real(*rows, target="weight")["synthetic"]
    assert 1.0 < error < 1.3  # the noise has standard deviation 1


def test_given_estimator_and_scoring(real, twin):
    rows = [table.loc[table["weight"].notna(), ["size", "weight"]] for table in (real, twin)]
    scores = train_synthetic_test_real(
        *rows, target="weight", estimator=LinearRegression(), scoring="r2", real=rows[0]
    )
    assert scores["synthetic"] == pytest.approx(0.8, abs=0.05)


def test_scoring_of_labels_knows_the_class_numbers(real, twin):
    scores = train_synthetic_test_real(real, twin, target="flag", scoring="accuracy")
    assert scores["synthetic"] > 0.98


def test_unknown_target(real, twin):
    with pytest.raises(InputError, match="target must be one of"):
        train_synthetic_test_real(real, twin, target="nope")


def test_missing_target(real, twin):
    with pytest.raises(InputError, match="missing value"):
        train_synthetic_test_real(real, twin, target="colour")


def test_array_input():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    table = pd.DataFrame(np.column_stack([X, (X[:, 0] > 0)])).to_numpy()
    assert train_synthetic_test_real(table[:150], table[150:], target=2)["synthetic"] > 0.95
