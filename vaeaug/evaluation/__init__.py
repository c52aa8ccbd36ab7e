"""Judges of any synthetic table or set of images, by whatever sampler; knows no VAE."""

from vaeaug.evaluation.disentanglement import (
    dci_scores,
    disentanglement_scores,
    factor_vae_score,
    mutual_information_gap,
)
from vaeaug.evaluation.downstream import image_train_synthetic_test_real, train_synthetic_test_real
from vaeaug.evaluation.fidelity import column_shapes, pair_trends, rare_category_counts, two_sample_score
from vaeaug.evaluation.images import (
    copying_share,
    flat_pixels,
    frechet_distance,
    gradient_energy,
    image_features,
    image_membership_inference,
)
from vaeaug.evaluation.manifold import alpha_precision_beta_recall, manifold_scores, prdc
from vaeaug.evaluation.overview import compare_images, compare_tables
from vaeaug.evaluation.privacy import (
    closest_share,
    distance_to_closest,
    exact_copies,
    membership_inference,
    near_copies,
)
from vaeaug.evaluation.quality.reporting import report
from vaeaug.evaluation.smallcnn import SmallConvClassifier
from vaeaug.evaluation.table_rules import rules

__all__ = [
    "SmallConvClassifier",
    "alpha_precision_beta_recall",
    "closest_share",
    "column_shapes",
    "compare_images",
    "compare_tables",
    "copying_share",
    "dci_scores",
    "disentanglement_scores",
    "distance_to_closest",
    "exact_copies",
    "factor_vae_score",
    "flat_pixels",
    "frechet_distance",
    "gradient_energy",
    "image_features",
    "image_membership_inference",
    "image_train_synthetic_test_real",
    "manifold_scores",
    "membership_inference",
    "mutual_information_gap",
    "near_copies",
    "pair_trends",
    "prdc",
    "rare_category_counts",
    "report",
    "rules",
    "train_synthetic_test_real",
    "two_sample_score",
]
