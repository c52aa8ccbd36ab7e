"""The estimator: check, encode, build, train, decode; no mathematics."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from vaeaug.errors import ArchiveError
from vaeaug.io import archive
from vaeaug.model.builder import NETWORKS
from vaeaug.model.edit import Editing
from vaeaug.model.encode import Coding
from vaeaug.model.fit import learn, warn_if_collapsed
from vaeaug.model.generate import METHODS
from vaeaug.model.state import from_state, to_state
from vaeaug.model.training_data import agreed_seed, begun, check_whose, gathered
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.recipe import Recipe
from vaeaug.sharding.writer import Sharding
from vaeaug.training.distributed import current_team
from vaeaug.training.optimisation import Deadline
from vaeaug.training.runtime import Runtime
from vaeaug.utils.validation import restored_on_failure

__all__ = ["METHODS", "VAEAugmenter", "load"]


class VAEAugmenter(Sharding, Editing, Coding):
    """Learn a table or a set of images with a class-conditional VAE, and make new rows of any class.

    Parameters
    ----------
    latent_dim : int or "auto", default="auto"
        D, the dimension of a code; ``"auto"`` is 16.
    beta : float or "auto", default="auto"
        Weight of the KL term. ``"auto"`` is 0.8; smaller values keep more of each row in
        its code (better reconstructions, nearer variations) and leave more to the prior.
    prior : {"auto", "mixture", "flow", "gaussian", "standard", "vamp", "tokens", "top_down"} or Recipe
        What codes are drawn from, given the class; ``"auto"``, the default, is ``"mixture"`` for tables,
        ``"gaussian"`` for fewer than 10,000 images and ``"flow"`` for more. ``"vamp"`` and
        ``"top_down"`` (for a ladder) are trained with the networks, the others (``"tokens"`` for
        discrete codes) are fitted after them.
    posterior : {"gaussian", "coupling", "planar", "iaf", "categorical", "none"} or Recipe, default="gaussian"
        What the code of a row is drawn from: a Gaussian, one that a normalizing flow carries
        on, discrete codes (with ``prior="tokens"``), or nothing, as in a plain autoencoder.
    latent : {"flat", "ladder", "vlae"} or Recipe, default="flat"
        One flat code, or levels from fine to coarse.
    network : "auto" or Recipe, default="auto"
        ``Recipe("residual", width=128, depth=2, dependence="auto")``: width and depth of
        encoder and decoder, and hidden units of the part of the decoder that models each
        column given the columns before it (0 makes columns independent given the code). For
        images ``Recipe("convolutional", width=32, depth=1)``.
    losses : dict of str to float or Recipe, optional
        Terms that replace the default ``{"reconstruction": 1, "kl": beta}``; add
        ``"factor"``, ``"beta_tc"``, ``"adversarial"`` or ``"perceptual"``, or take ``"iwae"`` alone. A number
        is a weight; a recipe may hold options too, such as ``Recipe("kl", weight=4.0,
        free_bits=2.0, schedule=Recipe("cyclical", cycles=4))`` or ``Recipe("perceptual", weight=5.0,
        network=module)``, which compares features of your network, or of a torchvision model
        (``network="vgg16", weights="vgg16.pth"``; saving leaves networks out). See ``VARIANTS``.
    categorical_features : "from_dtype", None, mask, positions or names, default="from_dtype"
        Numeric columns to treat as categories. Whole numbers are also found to be codes (zip codes: new rows
        have codes that occur) or dates (20090301, 1330), and text to be dates, which a ``ColumnNote`` tells;
        None takes every column for what its dtype says.
    id_columns : "auto", None, mask, positions or names, default="auto"
        Columns that name each row and nothing else: numbers of rows, UUIDs, keys. They are not learned, and
        new rows get new names: the numbering goes on, text keeps its pattern. Every call begins with the same
        new names; variations of rows keep theirs. ``"auto"`` looks for such columns in frames, not in arrays
        or tables that are read piece by piece, and a ``ColumnNote`` tells what it has found; None has none.
    image_shape : tuple, optional
        (H, W), (H, W, C) or (C, H, W): says that each row of an (n, d) array or frame is an
        image of that shape. Arrays of three or four dimensions are images in any case.
    channels : {"auto", "first", "last"}, default="auto"
        Where images have their channels; ``"auto"`` takes the axis of 1 to 4 entries.
    max_iter : int or "auto", default="auto"
        Epochs, at most; ``"auto"`` is 28 for 32,000 rows, more for fewer rows.
    batch_size : int or "auto", default="auto"
        Rows per step; ``"auto"`` is 32 to 1,024.
    learning_rate_init : float or "auto", default="auto"
        Peak learning rate; ``"auto"`` is 0.002.
    early_stopping : bool, default=True
        Hold out rows, and keep the weights that were best on them.
    validation_fraction : float, default=0.1
        Share of rows held out, at most 5,000 rows, none of a class with fewer than 10.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops.
    max_fit_seconds : float, optional
        Bound on the time of ``fit``; the learning rate comes down in time.
    device : str, default="auto"
        ``"auto"`` takes a GPU when there is one.
    random_state : int, RandomState or None, default=None
        Decides everything random in ``fit`` and the sequence of samples after it. With
        None both are new each time.
    verbose : int, default=0
        1 shows a progress bar.
    checkpoint_dir : path-like, optional
        Folder in which ``fit`` keeps the state of training after every epoch. When the process is killed,
        the same call on the same data goes on from there; on a CPU it ends with the weights of an unbroken
        run. The folder of another fit is refused; delete it to begin anew.

    Attributes
    ----------
    classes_ : ndarray or None
        Labels seen in fit; None without class labels.
    n_features_in_ : int
        Columns of a table, or values of an image.
    image_shape_ : tuple of int or None
        Shape of one image in the layout of X; None for tables.
    class_names_ : list of str or None
        Names of the classes 0, 1, …, if X was a Dataset that knows them.
    feature_names_in_ : ndarray of str
        Only when X had string column names.
    id_columns_ : list
        Names, or positions in an array, of the columns that hold identifiers.
    history_ : DataFrame
        Per epoch: ``stage`` ("network" or "prior"), ``epoch``, losses in nats, ``seconds``.
    n_iter_ : int
        Epochs the networks were trained for.

    Notes
    -----
    Rows of a class with a share s of all rows weigh ``s^(−1/2)`` in the loss. What is learned is the
    distribution of rows given their class, so this biases nothing; it lets a rare class be heard.
    After training, the columns of a table's classes of 6 to 999 rows are compared with rows drawn for
    them; one that lies off by more than chance explains (5 %) is tilted for that class. New rows and
    densities know of it, ``p(x_j | x_<j, z, c) ∝ softmax(logits_j) · exp(tilt_cj)``.

    The loss is ``E_q[−log p(x|z,c)] + β · KL(q(z|x,c) ‖ N(0, I))`` (Kingma and Welling
    2014; Higgins et al. 2017; conditional on c as in Sohn et al. 2015).

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug import VAEAugmenter
    >>> X = pd.DataFrame({"age": range(20, 80), "job": ["clerk", "nurse", None] * 20})
    >>> y = ["no"] * 50 + ["yes"] * 10
    >>> augmenter = VAEAugmenter(max_iter=5, random_state=0).fit(X, y)
    >>> X_new, y_new = augmenter.sample(3, y="yes")
    >>> X_new.dtypes.equals(X.dtypes)
    True
    """

    _parameter_constraints: dict = {
        "latent_dim": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "beta": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "prior": [StrOptions({"auto", *PRIORS}), Recipe],
        "posterior": [StrOptions(set(POSTERIORS)), Recipe],
        "latent": [StrOptions(set(LATENTS)), Recipe],
        "network": [StrOptions({"auto", *NETWORKS}), Recipe],
        "losses": [dict, None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "id_columns": ["array-like", StrOptions({"auto"}), None],
        "image_shape": [tuple, list, None],
        "channels": [StrOptions({"auto", "first", "last"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_fit_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "checkpoint_dir": [str, os.PathLike, None],
    }

    def __init__(
        self,
        *,
        latent_dim: int | str = "auto",
        beta: float | str = "auto",
        prior: str | Recipe = "auto",
        posterior: str | Recipe = "gaussian",
        latent: str | Recipe = "flat",
        network: str | Recipe = "auto",
        losses: Mapping[str, float] | None = None,
        categorical_features: Any = "from_dtype",
        image_shape: Any = None,
        channels: str = "auto",
        max_iter: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate_init: float | str = "auto",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        max_fit_seconds: float | None = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: int | bool = 0,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        id_columns: Any = "auto",
    ) -> None:
        self.latent_dim = latent_dim
        self.beta = beta
        self.prior = prior
        self.posterior = posterior
        self.latent = latent
        self.network = network
        self.losses = losses
        self.categorical_features = categorical_features
        self.image_shape = image_shape
        self.channels = channels
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.max_fit_seconds = max_fit_seconds
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.checkpoint_dir = checkpoint_dir
        self.id_columns = id_columns

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> VAEAugmenter:
        """Learn the rows of X and, if given, how they depend on y.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, d), or images
            Tables hold numbers, text, categories, booleans, dates; missing values are learned
            too. Images come as arrays or torch tensors (n, H, W), (n, H, W, C) or (n, C, H, W)
            of any numeric dtype and range, as rows with ``image_shape``, as lists of PIL
            images, or as a torch ``Dataset`` of images or (image, label); one of more than 1 GB of
            values is read again in every epoch.
            A table larger than memory is the path of a Parquet file or of a folder of them, a
            ``pyarrow.dataset.Dataset``, or an iterable of frames that can be iterated over again and again.
        y : array-like of shape (n,), DataFrame or None
            Class labels, a continuous target, or a frame of control variables. None for a
            Dataset takes its labels. For a table that is read piece by piece the name of its column
            of labels, or a list of names.
        sample_weight : array-like of shape (n,), optional
            Importance of the rows in training, 0 or more.

        Returns
        -------
        VAEAugmenter
            Itself.

        Notes
        -----
        Under ``torchrun``, or anything that sets its environment, all processes fit one model together:
        each has to call ``fit`` with the same parameters and the same data, trains on its share of every
        batch or of the files, and ends with the same model. Only the first one writes to ``checkpoint_dir``.

        Raises
        ------
        InputError
            For data that cannot be learned from; the message names the column or the image.
        WorkerLostError
            When one of several processes that train together has ended.
        TrainingDivergedError
            When the loss stays non-finite.

        Warns
        -----
        PosteriorCollapseWarning
            When the codes say nothing about the rows.
        """
        with restored_on_failure(self):
            rows = self._learn(X, y, sample_weight)
        warn_if_collapsed(self.history_, rows)
        return self

    def _learn(self, X: Any, y: Any, sample_weight: Any) -> int:
        """Do the work of fit; return the number of rows."""
        deadline, team = Deadline(self.max_fit_seconds), current_team()
        checkpoints = begun(self, team)
        seed = agreed_seed(self, team, checkpoints)
        lesson = gathered(self, X, y, sample_weight, seed, team)
        check_whose(self, lesson, seed, team, checkpoints)
        intake, context = lesson.intake, lesson.context
        learned = learn(
            self,
            intake.codec.layout,
            context,
            lesson.x,
            lesson.c,
            groups=lesson.groups,
            weights=lesson.weights,
            pack=intake.pack,
            seed=seed,
            team=team,
            stream=lesson.stream,
            checkpoints=checkpoints,
            deadline=deadline,
        )
        self._intake, self._context, self._model = intake, context, learned.model
        self.classes_ = context.classes_
        self.history_ = learned.history
        self.n_iter_ = int((learned.history["stage"] == "network").sum())
        self._n_features_out = learned.model.blueprint.latent_dim
        self._anchors = learned.anchors
        self._seed, self._calls = seed, 0
        return lesson.rows

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one safetensors file, never a pickle.

        The file of a model of images holds training images, up to 20,000 of them and 32 million
        values in all, which ``sample(method="posterior")`` varies.

        Raises
        ------
        ArchiveError
            When the path cannot be written; what was there stays.
        """
        check_is_fitted(self)
        archive.write(path, *to_state(self))


#: Classes that a file may name; nothing else is ever built from one.
_LOADABLE = {"VAEAugmenter": VAEAugmenter}


def load(path: str | os.PathLike[str], device: str = "auto") -> VAEAugmenter:
    """Read an estimator that :meth:`VAEAugmenter.save` wrote.

    Parameters
    ----------
    path : path-like
    device : str, default="auto"
        Where it is to run; a model trained on a GPU loads on a CPU.

    Raises
    ------
    ArchiveError
        If the file is damaged, foreign or of a newer format.
    InputError
        If there is no such device.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, vaeaug
    >>> rng = np.random.default_rng(0)
    >>> augmenter = vaeaug.VAEAugmenter(max_iter=2, random_state=0).fit(rng.normal(size=(50, 3)))
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> augmenter.save(path)
    >>> again = vaeaug.load(path)
    >>> again.sample(2, random_state=0)[0].shape
    (2, 3)
    """
    manifest, arrays = archive.read(path)
    name = manifest.get("class")
    if name not in _LOADABLE:
        raise ArchiveError(
            f"{path} holds a {name!r}; this version of vaeaug can load {', '.join(_LOADABLE)}."
        )
    runtime = Runtime(device)
    try:
        return from_state(_LOADABLE[name], manifest, arrays, device, runtime)
    except ArchiveError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArchiveError(
            f"{path} cannot be rebuilt by this version of vaeaug: {error}. Load it with the version that "
            "wrote it."
        ) from error
