"""Judges of any synthetic table, by whatever sampler; knows no VAE."""

from vaeaug.evaluation.downstream import train_synthetic_test_real
from vaeaug.evaluation.fidelity import column_shapes, pair_trends, rare_category_counts, two_sample_score
from vaeaug.evaluation.privacy import closest_share, distance_to_closest, exact_copies

__all__ = [
    "closest_share",
    "column_shapes",
    "distance_to_closest",
    "exact_copies",
    "pair_trends",
    "rare_category_counts",
    "train_synthetic_test_real",
    "two_sample_score",
]
