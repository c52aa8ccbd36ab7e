"""Discrete codes: a posterior over entries of codebooks, and the prior over their tokens."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.errors import InputError
from vaeaug.layout import Layout, Span
from vaeaug.nn.distributions import CodeDistribution, TransportedDistribution
from vaeaug.nn.likelihoods.row_distribution import RowDistribution
from vaeaug.nn.likelihoods.rows import RowLikelihood
from vaeaug.nn.networks import CodeDecoder
from vaeaug.nn.posteriors.base import Posterior
from vaeaug.nn.priors.base import Prior, Sizes, find_borrowing_shares
from vaeaug.utils.validation import check_number

__all__ = ["CategoricalCodes", "CategoricalPosterior", "Codebook", "TokenDistribution", "TokenPrior"]

_HIDDEN_SHARE = 0.1  # of rows whose context the prior is trained without


class Codebook(nn.Module):
    """Entries that codes are made of: G groups with K entries of D/G numbers each.

    Parameters
    ----------
    groups, levels, width : int
        G, K and D/G.
    """

    def __init__(self, groups: int, levels: int, width: int) -> None:
        super().__init__()
        self.groups, self.levels = groups, levels
        self.entries = nn.Parameter(torch.randn(groups, levels, width))

    def embed(self, weights: Tensor) -> Tensor:
        """Turn (near) one-hot weights ``(..., G, K)`` into codes ``(..., D)``."""
        return torch.einsum("...gk,gkw->...gw", weights, self.entries).flatten(-2)

    def look_up(self, tokens: Tensor) -> Tensor:
        """Turn tokens ``(..., G)`` into codes ``(..., D)``."""
        return self.embed(F.one_hot(tokens, self.levels).to(self.entries))

    def tokens(self, z: Tensor) -> Tensor:
        """Return the nearest entry of each group for codes ``(..., D)``, int64 ``(..., G)``."""
        parts = z.unflatten(-1, (self.groups, -1))
        distance = self.entries.square().sum(-1) - 2 * torch.einsum("...gw,gkw->...gk", parts, self.entries)
        return distance.argmin(-1)


class CategoricalPosterior(Posterior):
    """Discrete posterior: G independent choices among K learned code entries each.

    Trained with Gumbel noise: the entry of the largest ``logit + gumbel`` goes to the decoder, and
    the gradient is that of ``softmax((logits + gumbels) / τ)`` (Jang et al. 2017, *Categorical
    Reparameterization with Gumbel-Softmax*, the straight-through estimator). The KL is that
    to the uniform choice, ``Σ_g log K − H_g``. Goes with ``prior="tokens"``.

    Parameters
    ----------
    features : int
        Width of the encoder's output.
    latent_dim : int
        D, a multiple of ``groups``.
    groups : int or "auto"
        G; ``"auto"`` gives each group two numbers of the code (one if D is odd).
    levels : int
        K.
    relaxation : float
        τ.
    """

    discrete = True

    def __init__(
        self,
        features: int,
        latent_dim: int,
        *,
        groups: int | str = "auto",
        levels: int = 16,
        relaxation: float = 0.7,
    ) -> None:
        super().__init__(features)
        check_number("groups", groups, low=1, integer=True, also=["auto"])
        check_number("levels", levels, low=2, integer=True)
        self.relaxation = check_number("relaxation", relaxation, low=0, open_low=True)
        count = latent_dim // (1 + (latent_dim % 2 == 0)) if groups == "auto" else int(groups)
        if latent_dim % count:
            raise InputError(f"groups must divide latent_dim={latent_dim}; got {groups!r}.")
        self.codebook = Codebook(count, levels, latent_dim // count)
        self.out = nn.Linear(features, count * levels)

    def forward(self, h: Tensor, c: Tensor) -> CategoricalCodes:
        """Return the posterior of a batch: batch shape ``(B,)``, event shape ``(D,)``."""
        logits = self.out(h).unflatten(-1, (self.codebook.groups, -1))
        return CategoricalCodes(torch.log_softmax(logits, -1), self.codebook, self.relaxation)

    def snap(self, z: Tensor) -> Tensor:
        """Move codes ``(..., D)`` to the nearest entries of the codebook."""
        return self.codebook.look_up(self.codebook.tokens(z))


class CategoricalCodes(TransportedDistribution):
    """Independent choices of code entries, with log-probabilities ``(B, G, K)``."""

    has_kl = True

    def __init__(self, log_shares: Tensor, codebook: Codebook, relaxation: float) -> None:
        self.log_shares, self.codebook, self.relaxation = log_shares, codebook, relaxation
        super().__init__(codebook.embed(log_shares.exp()))

    @property
    def mean(self) -> Tensor:
        """Mean entry, shape ``(B, D)``."""
        return self.like

    @property
    def scale(self) -> Tensor:
        """Standard deviation of each number of the code, shape ``(B, D)``."""
        square = torch.einsum("bgk,gkw->bgw", self.log_shares.exp(), self.codebook.entries.square())
        return (square.flatten(-2) - self.mean.square()).clamp(min=1e-12).sqrt()

    def transport(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Carry noise to entries by inverting the cumulative shares; the first number of a group decides."""
        level = torch.special.ndtr(noise.unflatten(-1, (self.codebook.groups, -1))[..., :1])
        tokens = (self.log_shares.exp().cumsum(-1) < level).sum(-1).clamp(max=self.codebook.levels - 1)
        return self.codebook.look_up(tokens), self._token_log_prob(tokens)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draw entries with relaxed gradients, shape ``sample_shape + (B, D)``."""
        shape = torch.Size(sample_shape) + self.log_shares.shape
        exponential = torch.empty(shape, dtype=self.like.dtype, device=self.like.device).exponential_()
        scores = (self.log_shares - exponential.clamp(min=1e-30).log()) / self.relaxation
        soft = torch.softmax(scores, -1)
        hard = F.one_hot(scores.argmax(-1), self.codebook.levels).to(soft)
        return self.codebook.embed(hard + soft - soft.detach())

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw entries with shares raised to ``1 / temperature``; 0 takes the likeliest entry."""
        scores = self.log_shares
        if temperature:
            exponential = torch.empty_like(scores).exponential_().clamp(min=1e-30)
            scores = scores / temperature - exponential.log()
        return self.codebook.look_up(scores.argmax(-1))

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-probability of the entries nearest to codes ``(..., B, D)``, shape ``(..., B)``."""
        return self._token_log_prob(self.codebook.tokens(z))

    def kl_to_standard(self) -> Tensor:
        """Return the KL to uniform choices in nats, shape ``(B,)``."""
        negative_entropy = (self.log_shares.exp() * self.log_shares).sum((-2, -1))
        return negative_entropy + self.codebook.groups * math.log(self.codebook.levels)

    def _token_log_prob(self, tokens: Tensor) -> Tensor:
        shares = self.log_shares.expand(*tokens.shape, self.codebook.levels)
        return shares.gather(-1, tokens[..., None]).squeeze(-1).sum(-1)


class TokenPrior(Prior):
    """Autoregressive prior over the tokens of discrete codes, given the context.

    ``p(k_1 … k_G | c) = Π_g p(k_g | k_{<g}, c)``, a masked network (Germain et al. 2015, *MADE*) fitted
    after the networks, as a vector-quantised model fits its own (van den Oord et al. 2017,
    *Neural Discrete Representation Learning*, section 3.3). A class of n rows is drawn as if its
    label were unknown with probability ``κ / (n + κ)``.

    Parameters
    ----------
    width, depth : int
        Of the network that reads the context.
    hidden : int or "auto"
        Units of the network that reads tokens; ``"auto"`` takes 64 for each group, within 256 to 768.
    """

    bound = True
    discrete = True
    epochs_share = 0.5

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 64,
        depth: int = 1,
        hidden: int | str = "auto",
        pseudo_count: float = 10.0,
    ) -> None:
        super().__init__(sizes, pseudo_count=pseudo_count)
        self.width = check_number("width", width, low=1, integer=True)
        self.depth = check_number("depth", depth, low=0, integer=True)
        self.hidden = check_number("hidden", hidden, low=1, integer=True, also=["auto"])
        self.register_buffer("borrowing", torch.zeros(self.classes + 1))

    borrowing: Tensor
    codebook: Codebook

    def bind(self, latent: Any) -> None:
        """Learn which codebook the codes come from."""
        if not latent.discrete:
            raise InputError("prior='tokens' draws discrete codes; use it with posterior='categorical'.")
        self.borrow(codebook=latent.posterior.codebook)
        layout = Layout.row([Span("categorical", self.codebook.levels)] * self.codebook.groups)
        self.rows = RowLikelihood(layout, self.hidden)
        # The code that this decoder reads is a constant: what varies is the context.
        self.reader = CodeDecoder(1, self.context_width, self.rows.parameters_width, self.width, self.depth)

    def forward(self, c: Tensor) -> TokenDistribution:
        """Return the distribution over codes for each context."""
        return TokenDistribution(self, c, self.borrowing[self.group(c)])

    def tokens(self, c: Tensor) -> RowDistribution:
        """Return the distribution over tokens for each context."""
        return self.rows(self.reader(c.new_ones(len(c), 1), c))

    def objective(self, codes: Tensor, contexts: Tensor, draws: int) -> nn.Module:
        """Return the negative log-probability of the tokens of codes."""
        self.borrowing.copy_(find_borrowing_shares(self, contexts, draws))
        return _TokenObjective(self)


class _TokenObjective(nn.Module):
    """Negative log-probability of codes, with the context hidden from a tenth of the rows."""

    def __init__(self, prior: TokenPrior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, batch: tuple[Tensor, ...], progress: float) -> dict[str, Tensor]:
        codes, contexts = batch
        shown = torch.rand(len(codes), 1, device=codes.device) >= _HIDDEN_SHARE
        tokens = self.prior.codebook.tokens(codes).to(codes)
        return {"loss": -self.prior.tokens(contexts * shown).log_prob(tokens)}


class TokenDistribution(CodeDistribution):
    """Codes whose tokens an autoregressive network draws.

    Parameters
    ----------
    prior : TokenPrior
    c : Tensor (B, K)
    borrowing : Tensor (B,)
        Probability in [0, 1) that a code is drawn as if its context were unknown.
    """

    def __init__(self, prior: TokenPrior, c: Tensor, borrowing: Tensor) -> None:
        self.prior, self.c, self.borrowing = prior, c, borrowing
        super().__init__(len(c), prior.latent_dim)

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw codes, with token probabilities raised to ``1 / temperature``."""
        c = self.c * (torch.rand_like(self.borrowing) >= self.borrowing)[:, None]
        return self.prior.codebook.look_up(self.prior.tokens(c).draw(temperature).long())

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-probability of the entries nearest to codes ``(B, D)``, shape ``(B,)``."""
        tokens = self.prior.codebook.tokens(z).to(z)
        own = self.prior.tokens(self.c).log_prob(tokens) + torch.log1p(-self.borrowing)
        shared = self.prior.tokens(torch.zeros_like(self.c)).log_prob(tokens) + self.borrowing.log()
        return torch.logaddexp(own, shared)
