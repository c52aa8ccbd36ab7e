"""The VAE family by name, as keyword arguments of the one estimator.

Each variant is the plain VAE with one part or one term exchanged, so that a comparison of two
of them compares that. The plain VAE is ``N(0, I)`` and the evidence lower bound itself (β = 1);
the estimator's own defaults are another choice, made for the quality of samples. Every variant is
conditional (Sohn et al. 2015) when ``fit`` is given labels or control variables.

The network is not part of a variant: ``network="auto"`` suits tables and images alike. For tables it
models each column given the columns before it, which leaves the code less to say. To compare
what codes say, add ``network=Recipe("residual", dependence=0)``, where columns are independent
given the code, as in the papers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from vaeaug.errors import UnknownVariantError
from vaeaug.recipe import Recipe

__all__ = ["VARIANTS"]

_BOUND = {"reconstruction": 1.0, "kl": 1.0}
#: A KL that counts from the first step, as in the papers on disentangling: codes that form
#: without it are entangled, and what rises later does not take them apart again.
_AT_ONCE = {"reconstruction": 1.0, "kl": Recipe("kl", schedule="constant")}


def _plain(**changes: Any) -> Mapping[str, Any]:
    return MappingProxyType({"prior": "standard", "beta": 1.0, **changes})


class _Family(Mapping[str, Mapping[str, Any]]):
    """A mapping that cannot be changed, and says which names there are when asked for another."""

    def __init__(self, variants: dict[str, Mapping[str, Any]]) -> None:
        self._variants = variants

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if name not in self._variants:
            raise UnknownVariantError(
                f"VARIANTS has no {name!r}; use one of {', '.join(map(repr, self._variants))}."
            )
        return self._variants[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variants)

    def __len__(self) -> int:
        return len(self._variants)

    def __repr__(self) -> str:
        return f"VARIANTS({', '.join(self._variants)})"


#: name -> keyword arguments of VAEAugmenter.
VARIANTS: Mapping[str, Mapping[str, Any]] = _Family(
    {
        # Kingma and Welling 2014: E_q[log p(x|z)] − KL(q(z|x) ‖ N(0, I)).
        "vae": _plain(),
        # Hinton and Salakhutdinov 2006: no noise, no KL; codes are drawn from a fitted mixture.
        "ae": _plain(posterior="none", prior="mixture"),
        # Higgins et al. 2017: β · KL with β > 1.
        "beta": _plain(beta=4.0, losses=_AT_ONCE),
        # Fu et al. 2019: β rises from 0 again and again.
        "cyclical": _plain(
            losses={"reconstruction": 1.0, "kl": Recipe("kl", schedule=Recipe("cyclical", cycles=4))}
        ),
        # Kingma et al. 2016: the KL is free up to λ nats.
        "free_bits": _plain(losses={"reconstruction": 1.0, "kl": Recipe("kl", free_bits=4.0)}),
        # Chen et al. 2018: + (β − 1) · total correlation, estimated within the batch.
        "beta_tc": _plain(losses={**_AT_ONCE, "beta_tc": 5.0}),
        # Kim and Mnih 2018: + γ · total correlation, estimated by a critic.
        "factor": _plain(losses={**_AT_ONCE, "factor": 10.0}),
        # Burda et al. 2016: log-mean of importance weights in place of the mean of logs. Each draw costs a
        # decoding, so three of them.
        "iwae": _plain(losses={"iwae": Recipe("iwae", draws=3)}),
        # Sønderby et al. 2016: levels, inferred and generated from the top down.
        "ladder": _plain(latent="ladder", prior="top_down"),
        # Zhao et al. 2017: levels that part by the depth of the network they pass.
        "vlae": _plain(latent="vlae"),
        # Dinh et al. 2017 in the posterior, as Rezende and Mohamed 2015: q = T_h(N(μ, σ²)), T coupling maps.
        "flow": _plain(posterior="coupling"),
        # Rezende and Mohamed 2015: T planar maps.
        "planar": _plain(posterior="planar"),
        # Kingma et al. 2016: T inverse autoregressive maps.
        "iaf": _plain(posterior="iaf"),
        # Tomczak and Welling 2018: p(z) = Σ_m π_m q(z|u_m), trained with the networks.
        "vamp": _plain(prior="vamp"),
        # A Gaussian mixture per class, fitted to the aggregate posterior (Ghosh et al. 2020 fit one ex post).
        "mixture": _plain(prior="mixture"),
        # Lipman et al. 2023: a velocity field that carries N(0, I) to the codes, per class.
        "flow_matching": _plain(prior="flow"),
        # Jang et al. 2017 with the two-stage prior of van den Oord et al. 2017: codes from codebooks.
        "discrete": _plain(posterior="categorical", prior="tokens"),
        # Hou et al. 2017: + distance in the features of a classifier of the same labels.
        "perceptual": _plain(losses={**_BOUND, "perceptual": 5.0}),
        # Larsen et al. 2016: + a critic that tells reconstructions from rows.
        "adversarial": _plain(losses={**_BOUND, "adversarial": 1.0}),
    }
)
