"""The estimator: check, encode, build, train, decode; no mathematics."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions

from vaeaug.data.relations.objects import Relation
from vaeaug.latent.directions import Directions
from vaeaug.model import complete, edit, encode, generate, state
from vaeaug.model.builder import NETWORKS
from vaeaug.model.fit import learn, warn_if_collapsed
from vaeaug.model.fitted import FittedState, adopt, copy_features, get_fitted
from vaeaug.model.generate import METHODS, SamplingOptions
from vaeaug.model.training_data import begin_session, check_same_fit, gather_data
from vaeaug.model.warm_start import describe_changes, list_fixed_parameters
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.recipe import Recipe
from vaeaug.sharding import jobs
from vaeaug.sharding.plans import ShardOptions
from vaeaug.training.runtime import DEVICES
from vaeaug.utils.choices import (
    Auto,
    Basis,
    Channels,
    Columns,
    Device,
    Frame,
    GenerateMethod,
    LatentName,
    OnViolation,
    OperationName,
    PathName,
    PosteriorName,
    PriorName,
    RandomState,
    SampleMethod,
    Strategy,
    StrategyName,
)
from vaeaug.utils.estimators import check_parameters_first
from vaeaug.utils.random import derive_seed, hash_seed
from vaeaug.utils.validation import restore_on_failure

__all__ = ["METHODS", "VAEAugmenter", "load"]


class VAEAugmenter(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
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
        ``Recipe("residual", width=128, depth=2, dependence="auto", own=0, peaks=0)``: width and depth of
        encoder and decoder, hidden units of the part of the decoder that models each
        column given the columns before it (0 makes columns independent given the code),
        units that each column has beside them, and peaks in the distribution of each number, which lie
        near what the columns before it say; from 3,000 rows on ``"auto"`` takes up to 64 and 2. For
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
        Columns that only name rows: numbers of rows, UUIDs, keys. They are not learned, and new rows get new
        names: ``sample`` and ``generate`` go on from call to call, and begin anew with each ``random_state``;
        variations of rows keep theirs. ``"auto"`` looks for such columns in frames in memory, and a
        ``ColumnNote`` tells what it has found; None has none.
    relations : "auto", None, or list of str or of objects of ``vaeaug.relations``, default="auto"
        Rules between the columns of a table that new rows keep: sums, products, orders, columns that others
        determine, values that come with others. ``"auto"`` looks for them in the training rows (at least 40;
        of streams, a sample); see ``relations_`` for what it found. A list declares them instead, such as
        ``["end >= start", "total == net + tax", "city -> state", "smoker == 'no' implies years == 0",
        "status == 'paid' implies due <= payment"]``, with ``"auto"`` in the list beside those that are
        found. A single text is a list of one. None has none.
    on_violation : {"raise", "keep"}, default="raise"
        What becomes of a declared rule that training rows break: an error that names them, or a rule with
        exceptions, which new rows have as often.
    image_shape : tuple, optional
        (H, W), (H, W, C) or (C, H, W): says that each row of an (n, d) array or frame is an
        image of that shape. Arrays of three or four dimensions are images in any case; a ``ColumnNote``
        tells where rows of an (n, d) array look like images.
    channels : {"auto", "first", "last"}, default="auto"
        Where images have their channels; ``"auto"`` takes the axis of 1 to 4 entries, else of up to 8.
    max_iter : int or "auto", default="auto"
        Epochs, at most; ``"auto"`` is 7 for a table of 32,000 rows, more for fewer.
    batch_size : int or "auto", default="auto"
        Rows per step; ``"auto"`` is 32 to 1,024.
    learning_rate_init : float or "auto", default="auto"
        Peak learning rate; ``"auto"`` is 0.005 for tables of 8,000 rows or
        more, down to 0.003 for smaller ones, and 0.002 for images.
    early_stopping : bool or "auto", default="auto"
        Hold out rows, and keep the weights that were best on them; ``"auto"`` does so with images, with
        tables of fewer than 3,000 rows, and where ``max_iter`` is a number.
    validation_fraction : float, default=0.1
        Share of rows held out, at most 5,000 rows, none of a class with fewer than 10.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops.
    max_fit_seconds : float, optional
        Bound on the time of ``fit``; the learning rate comes down in time.
    device : str or torch.device, default="auto"
        ``"auto"`` takes a GPU when there is one.
    random_state : int, RandomState or None, default=None
        Decides everything random in ``fit`` and the sequence of samples after it.
    verbose : int, default=0
        1 shows progress bars, of reading a Dataset, of training and of ``complete``, and says within the
        first seconds of training about how long all of it will take, if that is more than ten seconds.
    checkpoint_dir : path-like, optional
        Folder in which ``fit`` keeps the state of training after every epoch, from which the same call on the
        same data goes on; on a CPU it ends with the weights of an unbroken run. The folder of another fit is
        refused; delete it to begin anew.
    warm_start : bool, default=False
        Whether ``fit`` on a fitted estimator goes on from its model. X and y are then all rows, those of
        before and those that were added, of the same columns. ``max_iter="auto"`` then takes a tenth of the
        time of a fit from scratch; a number is so many epochs more. See the notes of :meth:`fit`.

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
    relations_ : DataFrame
        Rules between columns: ``kind``, ``columns``, ``formula``, training ``rows`` that keep it,
        ``exceptions``, ``origin`` ("found" or "declared") and how it is ``kept``.
    history_ : DataFrame
        Per epoch: ``stage`` ("network" or "prior"), ``epoch``, losses in nats, ``seconds``.
    n_iter_ : int
        Epochs the networks were trained for.
    changes_ : DataFrame or None
        What a warm fit has found changed, None without: for each ``column`` its ``kind``, the ``change``
        ("kept", "extended" by categories, or "recut": a number that has drifted has bins elsewhere), ``new``
        values (the first ten), the ``drift`` (largest difference between the cumulative shares of its values
        before and now), and a ``note`` of where it is; then new classes, rules that rows break, and the
        number of rows.
    fitted_ : FittedState
        What fit has learned; the functions of ``vaeaug.model`` work from it.
    calls_ : int
        Calls since fit that drew their seed from the estimator's own sequence.
    named_ : int
        Rows that these calls have given new names.

    Notes
    -----
    Rows of a class with a share s of all rows weigh ``s^(−1/2)`` in the loss. What is learned is the
    distribution of rows given their class, so this biases nothing; it lets a rare class be heard.
    After training, the columns of a table's classes of 6 to 999 rows are compared with rows drawn for
    them; one that lies off by more than chance explains (5 %) is tilted for that class. New rows and
    densities know of it, ``p(x_j | x_<j, z, c) ∝ softmax(logits_j) · exp(tilt_cj)``.

    Methods that change rows return them one for one, in the container of fit; frames keep their index.
    Images given as tensors come back as tensors, rows of a table and labels as arrays.
    A warning says when most values of a column, of ten rows or more, lie farther outside of the training
    range than it is wide: such rows are on another scale.

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

    classes_: np.ndarray | None
    history_: pd.DataFrame
    n_iter_: int
    n_features_in_: int
    image_shape_: tuple[int, ...] | None
    class_names_: list[str] | None
    id_columns_: list[Any]
    relations_: pd.DataFrame
    changes_: pd.DataFrame | None
    fitted_: FittedState
    calls_: int
    named_: int

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
        "relations": [list, tuple, str, None],
        "on_violation": [StrOptions({"raise", "keep"})],
        "image_shape": [tuple, list, None],
        "channels": [StrOptions({"auto", "first", "last"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_fit_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "device": [*DEVICES],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "checkpoint_dir": [str, os.PathLike, None],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        *,
        latent_dim: int | Auto = "auto",
        beta: float | Auto = "auto",
        prior: PriorName | Recipe = "auto",
        posterior: PosteriorName | Recipe = "gaussian",
        latent: LatentName | Recipe = "flat",
        network: Auto | Recipe = "auto",
        losses: Mapping[str, float | Recipe] | None = None,
        categorical_features: Literal["from_dtype"] | Columns = "from_dtype",
        image_shape: Sequence[int] | None = None,
        channels: Channels = "auto",
        max_iter: int | Auto = "auto",
        batch_size: int | Auto = "auto",
        learning_rate_init: float | Auto = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        max_fit_seconds: float | None = None,
        device: Device = "auto",
        random_state: RandomState = None,
        verbose: int | bool = 0,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        id_columns: Auto | Columns = "auto",
        relations: Auto | Sequence[str | Relation] | None = "auto",
        on_violation: OnViolation = "raise",
        warm_start: bool = False,
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
        self.relations = relations
        self.on_violation = on_violation
        self.warm_start = warm_start

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @check_parameters_first
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the rows of X and, if given, how they depend on y.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, d), or images
            Tables hold numbers, text, categories, booleans, dates; missing values are learned
            too. Images come as arrays or torch tensors (n, H, W), (n, H, W, C) or (n, C, H, W)
            of any numeric dtype and range, as rows with ``image_shape``, as lists of PIL
            images, or as a torch ``Dataset`` of images or (image, label); one of more than 1 GB of
            values is read again in every epoch.
            A table larger than memory is the path or URL (``s3://…``) of a Parquet file or of a folder of
            them, a ``pyarrow.dataset.Dataset``, or an iterable of frames that can be iterated over
            again and again.
        y : array-like of shape (n,), DataFrame or None
            Class labels, a continuous target, or a frame of control variables; some of them may be missing
            (None, NaN, NA): such rows teach what rows look like, and nothing about classes. None for a
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

        With ``warm_start``, numbers keep their bins until they drift by .1 or leave them; new categories and
        classes are added to those there were; rules that were found and are now broken get exceptions, and no
        others are looked for. Refused, before the work, are other columns or kinds of columns, labels of
        another kind, classes without rows, images of another size or kind, rows that break a declared rule or
        one that computes a column, tables of which more than half of the columns drifted by .3, and other
        values of parameters that decide how data is read or what the model is made of. They need
        ``warm_start=False``; the model stays as it was.

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
        VaeaugWarning
            When a column of X is the labels, under whatever name, when y has the index of X in another order,
            or when ``max_fit_seconds`` ended training after less than a tenth of its steps.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> augmenter.classes_.tolist(), augmenter.n_features_in_
        (['no', 'yes'], 3)
        """
        with restore_on_failure(self):
            rows = self._learn(X, y, sample_weight)
        warn_if_collapsed(self.history_, rows, self.max_fit_seconds, self.max_iter)
        return self

    def _learn(self, X: Any, y: Any, sample_weight: Any) -> int:
        """Do the work of fit; return the number of rows."""
        session = begin_session(self)
        data = gather_data(self, X, y, sample_weight, session)
        check_same_fit(self, data, session)
        learned = learn(self, data, session)
        features = copy_features(self)
        fixed = list_fixed_parameters(self)
        fitted = FittedState(
            data.intake,
            data.context,
            learned.model,
            learned.anchors,
            session.seed,
            features,
            data.rows,
            fixed,
        )
        changes = None
        if session.earlier is not None:
            changes = describe_changes(session.earlier, data.intake.codec, data.context, data.rows)
        adopt(self, fitted, learned.history, changes)
        return data.rows

    def sample(
        self,
        n_samples: int = 1,
        y: Any = None,
        *,
        method: SampleMethod = "prior",
        where: Mapping[Any, Any] | None = None,
        given: Any = None,
        temperature: float = 1.0,
        sharp: bool | Auto = "auto",
        random_state: RandomState = None,
    ) -> tuple[Any, Any]:
        """Make new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; not needed when ``y`` lists one label per row.
        y : scalar, array-like or None
            None draws labels at their training frequencies; a scalar is that of all rows.
        method : {"prior", "posterior", "interpolate"}, default="prior"
            Codes from the class-conditional prior, variations of training rows of the class, or codes
            between a training row and one of its nearest neighbours of the class.
        where : dict, optional
            Conditions that all new rows of a table meet, such as ``{"age": ">= 40", "job": ["nurse",
            "clerk"], "income": (20_000, 40_000), "city": "Paris"}``: for a column a value; ``">= 40"``,
            ``"!= 3"`` or ``">= 40 and < 60"``; a range ``(low, high)`` with both ends, either of them None
            for none; a list of values; None or ``"is missing"``; ``"is not missing"``. Where ``y`` gives no
            label, classes come as often as among real rows that meet the conditions.
        given : DataFrame, optional
            Some columns of the new rows, or cells: row i of what is returned has the cells of row i, and its
            missing cells are drawn given these, and its label too where ``y`` gives none. Where a given cell
            follows from drawn ones, these are drawn so that the rule of ``relations_`` holds. Cells that
            contradict a rule without exceptions are refused. Dates may be written as in fit, as datetimes, or
            as year-month-day, and come back as in fit.
        temperature : float, default=1.0
            Below 1 the rows are more typical and less diverse, with as many missing cells; 0 is
            deterministic but for the choice of mixture component or training row.
        sharp : bool or "auto", default="auto"
            For images. From the prior: whether each takes the detail that the decoder leaves out, such as
            edges and texture, from a training image like it; ``"auto"`` does. Otherwise: whether the
            training image itself is changed, as in :meth:`vary`; ``"auto"`` does not. That is augmentation,
            as a slight rotation is, and no new image; see the notes.
        random_state : int, RandomState or None
            None continues the estimator's own sequence, so that successive calls differ.

        Returns
        -------
        X_new : as X in fit
            Same container, columns and dtypes; a fresh index.
        y_new : as y in fit, or None

        Warns
        -----
        VaeaugWarning
            Where few rows meet ``where``, no values were found with which given cells keep a rule, or given
            numbers lie far outside of those of fit.

        Notes
        -----
        Of models of 500 images of MNIST and Fashion-MNIST, the share nearer to a training image than 99 of
        100 held-out images are was 0.3 and 0.5 % from the prior, 21 and 25 % interpolated, 48 and 37 % from
        ``"posterior"``, and with ``sharp`` all. With detail it was 0.2 % from the prior (Fashion-MNIST; of
        pixels 1.0 %). So: the prior for images that nobody has seen,
        ``"posterior"`` with ``sharp`` to train a classifier that is to know the few there are.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> X_new, y_new = augmenter.sample(4, y="yes")
        >>> X_new.shape, y_new.tolist()
        ((4, 3), ['yes', 'yes', 'yes', 'yes'])
        >>> X_new, y_new = augmenter.sample(100)  # classes as often as in the training rows
        """
        options = SamplingOptions(method, temperature, sharp, where, given)
        made, labels = generate.sample(get_fitted(self), n_samples, y, options, self._seed_from(random_state))
        return (made if given is not None else self._name_on(made, random_state)), labels

    def generate(
        self,
        y_new: Any,
        X: Any,
        y: Any,
        *,
        method: GenerateMethod = "auto",
        where: Mapping[Any, Any] | None = None,
        temperature: float = 1.0,
        sharp: bool | Auto = "auto",
        random_state: RandomState = None,
    ) -> tuple[Any, np.ndarray]:
        """Make one row per label, and say which real row each of them varies.

        Parameters
        ----------
        y_new : array-like of shape (m,), or DataFrame as in fit
            Labels of the rows to make; may be empty.
        X, y : as in fit
            The real rows that ``"posterior"`` and ``"interpolate"`` start from.
        method : {"auto", "prior", "posterior", "interpolate"}, default="auto"
            ``"auto"`` is ``"prior"`` for images. For a class of a table with n rows in X, a share
            ``½ (1 − 1/n) / (1 + n/1000)`` of the new rows is ``"posterior"``, the others are ``"prior"``:
            both together lie nearer to held-out rows of a small class than either alone.
        where, temperature, sharp, random_state
            As in :meth:`sample`.

        Returns
        -------
        X_new : as X
        source_indices : ndarray of int64, shape (m,)
            Row number in X that each new row varies, −1 for draws from the prior.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> X_new, sources = augmenter.generate(["yes", "no"], X, y, method="posterior")
        >>> [y[row] for row in sources]
        ['yes', 'no']
        """
        options = SamplingOptions(method, temperature, sharp, where)
        seed = self._seed_from(random_state)
        made, sources = generate.generate(get_fitted(self), y_new, X, y, options, seed)
        return self._name_on(made, random_state), sources

    @overload
    def resample(
        self,
        X: Frame,
        y: Any = ...,
        *,
        sampling_strategy: Strategy = ...,
        method: GenerateMethod = ...,
        where: Mapping[Any, Any] | None = ...,
        sharp: bool | Auto = ...,
        random_state: RandomState = ...,
    ) -> tuple[Frame, Any]: ...
    @overload
    def resample(
        self,
        X: Any,
        y: Any = ...,
        *,
        sampling_strategy: Strategy = ...,
        method: GenerateMethod = ...,
        where: Mapping[Any, Any] | None = ...,
        sharp: bool | Auto = ...,
        random_state: RandomState = ...,
    ) -> tuple[Any, Any]: ...
    def resample(
        self,
        X: Any,
        y: Any = None,
        *,
        sampling_strategy: Strategy = "auto",
        method: GenerateMethod = "auto",
        where: Mapping[Any, Any] | None = None,
        sharp: bool | Auto = "auto",
        random_state: RandomState = None,
    ) -> tuple[Any, Any]:
        """Return the rows of X, untouched, followed by new rows that balance the classes.

        Parameters
        ----------
        X, y : as in fit
            Of a Dataset, the labels may be left out.
        sampling_strategy : str, float, dict or callable, default="auto"
            As in imbalanced-learn's over-samplers: ``"auto"`` brings every class to the size of the
            largest; a float is the ratio minority / majority; a dict gives the total per class.
        method, where, sharp, random_state
            As in :meth:`generate`; conditions are those that new rows meet.

        Returns
        -------
        X_res, y_res : as X and y
            Labels, and rows of a table, that came as tensors come back as arrays.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> X_res, y_res = augmenter.resample(X, y)
        >>> bool((X_res[:60] == X).all()), (y_res == "yes").sum().item()
        (True, 45)
        """
        options = SamplingOptions(method, sharp=sharp, where=where)
        seed = self._seed_from(random_state)
        return generate.resample(get_fitted(self), X, y, sampling_strategy, options, seed)

    def sample_to_parquet(
        self,
        n_samples: int,
        path: str | os.PathLike[str],
        *,
        y: Any = None,
        shard_size: int | Auto = "auto",
        random_state: RandomState = None,
        n_jobs: int | None = None,
        method: SampleMethod = "prior",
        temperature: float = 1.0,
        verbose: int | bool | None = None,
    ) -> Path:
        """Write new rows to a folder of Parquet files, in parallel, and go on where an earlier call stopped.

        ``joblib.parallel_config(backend=...)`` spreads the work over processes of this machine (the default),
        or over Dask, Ray or Spark, whose workers must see the folder under the same path; all write the same
        bytes. A call with the folder of an unfinished one writes what is missing; one call at a time.

        Parameters
        ----------
        n_samples : int
            Rows in all; nothing grows with it but the folder.
        path : path-like
            Folder of the shards ``part-00000.parquet``, …; new, empty, or that of the same call before.
            ``pandas.read_parquet``, ``pyarrow.dataset`` and Spark read it as one table.
        y : scalar, array-like of shape (n_samples,) or None
            Labels, as in :meth:`sample`. They go into the files as a last column, or as columns.
        shard_size : int or "auto", default="auto"
            Rows per file, what is lost when a worker dies; ``"auto"`` makes four million cells. Memory does
            not grow with it.
        random_state : int, RandomState or None
            None takes the seed of the folder if it has one, and else the estimator's own sequence.
        n_jobs : int or None
            Workers; None is 1 outside ``joblib.parallel_config``, −1 all cores. Each uses one thread of
            torch. Threads (``backend="threading"``) take turns, so prefer processes.
        method, temperature
            As in :meth:`sample`.
        verbose : int, optional
            1 shows a progress bar with the time left; None is that of the estimator.

        Returns
        -------
        Path
            The folder. Beside the shards it holds the model and ``_vaeaug.json``, which says what they are.

        Raises
        ------
        InputError
            For labels and arguments that cannot be used, a folder of another model, seed or size, without
            pyarrow, and when a file cannot be written: what is there stays valid.
        WorkerLostError
            When worker processes are killed again and again; what they had begun is done again first.

        Notes
        -----
        Equal bytes need equal versions of pyarrow, numpy and torch, which ``_vaeaug.json`` names, and the
        same kind of processor; other versions may draw other rows of the same distribution.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np, pandas as pd
        >>> from vaeaug import VAEAugmenter
        >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"])
        >>> augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X, ["no"] * 40 + ["yes"] * 10)
        >>> folder = augmenter.sample_to_parquet(
        ...     1000, os.path.join(tempfile.mkdtemp(), "rows"), y="yes", shard_size=400, random_state=0
        ... )
        >>> sorted(file.name for file in folder.glob("*.parquet"))
        ['part-00000.parquet', 'part-00001.parquet', 'part-00002.parquet']
        >>> pd.read_parquet(folder).shape
        (1000, 3)
        """
        options = self._shard_options(shard_size, method, temperature, n_jobs, verbose, random_state)
        return jobs.sample_to_parquet(self, n_samples, path, y, options)

    def resample_parquet(
        self,
        path_in: str | os.PathLike[str],
        path_out: str | os.PathLike[str],
        *,
        target: str,
        sampling_strategy: StrategyName | float | Mapping[Any, int] = "auto",
        shard_size: int | Auto = "auto",
        random_state: RandomState = None,
        n_jobs: int | None = None,
        method: SampleMethod = "prior",
        temperature: float = 1.0,
        verbose: int | bool | None = None,
    ) -> Path:
        """Write the new rows that balance a Parquet data set, without loading it.

        The new rows go to a folder of their own, with the columns and types of the data set, so that both can
        be read as one:
        ``pyarrow.dataset.dataset([pyarrow.dataset.dataset(path_in), pyarrow.dataset.dataset(path_out)])``.

        Parameters
        ----------
        path_in : path-like
            A Parquet file, or a folder of files with the same columns and types.
        path_out : path-like
            Folder of the new rows, sorted by class; as ``path`` in :meth:`sample_to_parquet`.
        target : str
            The column of labels; the other columns are those that the model was fitted to.
        sampling_strategy : str, float or dict, default="auto"
            As in :meth:`resample`, without callables.
        shard_size, random_state, n_jobs, method, temperature, verbose
            As in :meth:`sample_to_parquet`.

        Returns
        -------
        Path
            ``path_out``; without shards when the classes are balanced already.

        Raises
        ------
        InputError
            As there; for files that cannot be read or differ in columns or types, which are named, and for
            columns other than those of the model.
        WorkerLostError
            As in :meth:`sample_to_parquet`.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np, pandas as pd
        >>> from vaeaug import VAEAugmenter
        >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"])
        >>> labels = ["no"] * 40 + ["yes"] * 10
        >>> folder = tempfile.mkdtemp()
        >>> real, new = os.path.join(folder, "real.parquet"), os.path.join(folder, "new")
        >>> X.assign(label=labels).to_parquet(real)
        >>> augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X, labels)
        >>> written = augmenter.resample_parquet(real, new, target="label", random_state=0)
        >>> pd.read_parquet(new)["label"].value_counts().to_dict()
        {'yes': 30}
        """
        options = self._shard_options(shard_size, method, temperature, n_jobs, verbose, random_state)
        return jobs.resample_parquet(self, path_in, path_out, target, sampling_strategy, options)

    def interpolate(
        self,
        A: Any,
        B: Any,
        *,
        steps: int = 8,
        y: Any = None,
        y_each: Any = None,
        path: PathName = "linear",
    ) -> list[Any]:
        """Return the frames between rows of A and rows of B.

        Decodes ``z = λ z₁ + (1 − λ) z₂`` of the posterior means, with λ from 1 to 0.

        Parameters
        ----------
        A, B : as X in fit
            As many rows each; a single row goes with every row of the other.
        steps : int, default=8
            Frames, those of both ends included.
        y, y_each
            As in :meth:`apply`; where labels of A and of B differ, the label changes along the way.
        path : {"linear", "spherical"}, default="linear"
            ``"spherical"`` goes along a great circle, where codes of a Gaussian lie.

        Returns
        -------
        list of ``steps`` X-likes
            Row i of each is a frame between row i of A and row i of B.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from vaeaug import VAEAugmenter
        >>> images = load_digits().images.astype("uint8")
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(images[:200])
        >>> frames = augmenter.interpolate(images[:2], images[2:4], steps=5)
        >>> len(frames), frames[0].shape
        (5, (2, 8, 8))
        """
        return self.apply("interpolate", A, B, y=y, y_each=y_each, steps=steps, path=path)

    def blend(self, *sources: Any, weight: Any = 0.5, y: Any = None, y_each: Any = None) -> Any:
        """Return mixtures of the rows of several sources, ``z = Σ wᵢ zᵢ``.

        Parameters
        ----------
        *sources : as X in fit
            Two or more, of as many rows each; a single row goes with every row of the others.
        weight : float, sequence of float, or mapping of level to these, default=0.5
            Share of the first of two sources, or one share per source, which add up to 1. For a model with
            levels (``latent="ladder"`` or ``"vlae"``) a mapping names each of them: ``{"level_2": 1.0,
            "level_1": 0.0}`` takes what is coarse from the first and what is fine from the second.
        y, y_each
            As in :meth:`apply`; where labels differ, they are mixed alike.

        Returns
        -------
        X : as in fit, row by row

        Raises
        ------
        InputError
            For weights that do not add up to 1, unknown levels, and sources of different numbers of rows.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> augmenter.blend(X[:5], X[5:10], weight=0.25).shape
        (5, 3)
        """
        return self.apply("blend", *sources, y=y, y_each=y_each, weight=weight)

    def transfer(self, X: Any, y_from: Any, y_to: Any, *, pull: float | None = 0.75) -> Any:
        """Return rows of another class in the same style: encoded under one label, decoded under another.

        Parameters
        ----------
        X : as in fit
        y_from, y_to : scalar or array-like of shape (n,)
            Labels that the rows have, and are to have.
        pull : float or None, default=0.75
            Codes are never quite free of the class, so they are carried to those of the new class, and then
            this far (from 0 to 1) towards the nearest of these: more makes the class surer and keeps less of
            the style. None only decodes under the other label.

        Returns
        -------
        X : as in fit, row by row

        Raises
        ------
        InputError
            Without labels in fit or in the call.
        UnknownLabelError
            For labels that fit has not seen.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> augmenter.transfer(X[:5], "no", "yes").shape
        (5, 3)
        """
        return edit.transfer(get_fitted(self), X, y_from, y_to, pull)

    def find_directions(self, X: Any, attributes: Any, y: Any = None) -> Directions:
        """Learn from rows along which directions of the code their attributes change, one at a time.

        Parameters
        ----------
        X : as in fit
            Rows whose attributes are known; a few hundred will do.
        attributes : DataFrame of n rows
            A column per attribute: numbers, flags or classes. Give all that should stay as it is when one of
            them is edited, such as the class.
        y : label of all rows, or array-like of shape (n,), if it will be known in :meth:`edit` too

        Returns
        -------
        Directions
            For :meth:`edit`; its ``explained`` says how much of each attribute the codes tell.

        Raises
        ------
        InputError
            For attributes that do not fit the rows, or that are the same in all of them.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from vaeaug import VAEAugmenter
        >>> X = np.random.default_rng(0).normal(size=(60, 3))
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X)
        >>> directions = augmenter.find_directions(X, pd.DataFrame({"size": X.sum(axis=1), "first": X[:, 0]}))
        >>> augmenter.edit(X[:5], attribute="size", amount=1.0, directions=directions).shape
        (5, 3)
        """
        return edit.find_directions(get_fitted(self), X, attributes, y)

    def edit(
        self,
        X: Any,
        y: Any = None,
        *,
        attribute: Any,
        amount: Any = None,
        value: Any = None,
        directions: Directions | None = None,
        attributes: Any = None,
        pull: float | None = 0.7,
    ) -> Any:
        """Return rows with one attribute changed and the others kept.

        Parameters
        ----------
        X : as in fit
        y : label of all rows, array-like of shape (n,) or DataFrame of control variables, if known
        attribute : hashable
            Without ``directions`` a variable of the y of fit (a column of a frame of control variables): rows
            are decoded under its new value. With them, one of their attributes: codes are moved along it.
        amount : float or array-like of shape (n,), optional
            How far, in standard deviations of the attribute among training rows, or among the rows of the
            directions; of a flag there, 1 goes from False to True.
        value : scalar or array-like of shape (n,), optional
            Where to, instead. Beyond the values of the training rows, or of the rows of the directions,
            edited rows end elsewhere, and a warning says so.
        directions : Directions, optional
            From :meth:`find_directions`.
        attributes : DataFrame of n rows, optional
            With directions: attributes that the rows have and should keep; others are read from the codes.
        pull : float or None, default=0.7
            How far codes are drawn, from 0 to 1, towards those of rows with the attribute as wanted.

        Returns
        -------
        X : as in fit, row by row

        Raises
        ------
        InputError
            For an attribute that was never given, and an amount or value that does not fit it.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from vaeaug import VAEAugmenter
        >>> X = np.random.default_rng(0).normal(size=(60, 3))
        >>> controls = pd.DataFrame({"dose": X.sum(axis=1), "ward": ["a", "b"] * 30})
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, controls)
        >>> augmenter.edit(X[:5], controls[:5], attribute="dose", value=2.0).shape
        (5, 3)
        """
        change = edit.Change(attribute, amount, value)
        return edit.edit(get_fitted(self), X, y, change, directions, attributes, pull)

    def traverse(
        self,
        X: Any,
        y: Any = None,
        *,
        dims: Sequence[int] | None = None,
        steps: int = 7,
        reach: float = 2.0,
        basis: Basis = "codes",
    ) -> list[list[Any]]:
        """Return rows as one dimension of their code changes at a time.

        Parameters
        ----------
        X : as in fit
        y : label of all rows, or array-like of shape (n,), if known
        dims : sequence of int, optional
            Which dimensions; by default the (at most 8) in which the codes of training rows differ most.
        steps : int, default=7
        reach : float, default=2.0
            How far to go to both sides, in standard deviations of the codes of training rows.
        basis : {"codes", "main"}, default="codes"
            The numbers of the code, around their mean, or, from the row itself, the directions in which codes
            of training rows differ most.

        Returns
        -------
        list of lists of X-likes
            ``found[i][j]`` are the rows at step j of the i-th dimension.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> found = augmenter.traverse(X[:2], dims=[0, 1], steps=5)
        >>> len(found), len(found[0]), found[0][0].shape
        (2, 5, (2, 3))
        """
        return self.apply("traverse", X, y=y, dims=dims, steps=steps, reach=reach, basis=basis)

    def lattice(
        self,
        X: Any,
        y: Any = None,
        *,
        dims: Sequence[int] = (0, 1),
        steps: int = 7,
        reach: float = 2.0,
        basis: Basis = "main",
    ) -> list[list[Any]]:
        """Return rows on a grid of two dimensions of their code.

        Parameters
        ----------
        X, y, steps, reach, basis
            As in :meth:`traverse`.
        dims : sequence of two int, default=(0, 1)

        Returns
        -------
        list of lists of X-likes
            ``found[i][j]`` are the rows at step i of the first and step j of the second dimension.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> found = augmenter.lattice(X[:2], steps=3)
        >>> len(found), len(found[0]), found[0][0].shape
        (3, 3, (2, 3))
        """
        return self.apply("lattice", X, y=y, dims=dims, steps=steps, reach=reach, basis=basis)

    def walk(
        self, X: Any, y: Any = None, *, steps: int = 16, stride: float = 0.3, random_state: RandomState = None
    ) -> list[Any]:
        """Return the frames of a random walk from each row through the codes of its class.

        Parameters
        ----------
        X : as in fit
        y : label of all rows, or array-like of shape (n,), if known
        steps : int, default=16
            Frames, the first one included.
        stride : float, default=0.3
            From 0 (stands still) to 1 (a fresh draw each time).
        random_state : int, RandomState or None

        Returns
        -------
        list of ``steps`` X-likes

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> frames = augmenter.walk(X[:2], "no", steps=4, random_state=0)
        >>> len(frames), frames[0].shape
        (4, (2, 3))
        """
        return self.apply("walk", X, y=y, steps=steps, stride=stride, random_state=random_state)

    def apply(
        self,
        operation: OperationName,
        *sources: Any,
        y: Any = None,
        y_each: Any = None,
        random_state: RandomState = None,
        **options: Any,
    ) -> Any:
        """Encode rows, apply a registered latent operation to their codes, and decode what comes out.

        Parameters
        ----------
        operation : str
            A name in ``vaeaug.latent.operations.OPERATIONS``.
        *sources : as X in fit
            As many as the operation takes, of as many rows each.
        y : scalar, array-like of shape (n,) or None
            Labels that all sources share, if known.
        y_each : sequence, optional
            Labels of each source instead.
        random_state : int, RandomState or None
            For operations that draw at random.
        **options
            Of the operation.

        Returns
        -------
        X : as in fit, or lists of them
            A list for each axis that the operation adds in front of the rows.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> augmenter.apply("blend", X[:5], X[5:10], weight=[0.5, 0.5]).shape
        (5, 3)
        """
        fitted, seed = get_fitted(self), self._seed_from(random_state)
        return edit.apply(fitted, operation, sources, options, y, y_each, seed)

    def transform(self, X: Any) -> np.ndarray:
        """Return the posterior mean of each row: its code, without using a label.

        Parameters
        ----------
        X : as in fit
            A category that fit has not seen adds nothing to the code of its row, nor does a missing cell of a
            column that lacked none in fit.

        Returns
        -------
        Z : ndarray of shape (n, D)
            float64 (float32 for float32 arrays).

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> augmenter.transform(X).shape
        (60, 16)
        """
        return encode.transform(get_fitted(self), X)

    def inverse_transform(self, Z: Any, y: Any = None) -> Any:
        """Return the most probable row of each code.

        Parameters
        ----------
        Z : array-like of shape (n, D)
        y : scalar, array-like of shape (n,) or None
            Labels to decode under; None leaves them unknown.

        Returns
        -------
        X : as in fit

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> codes = augmenter.transform(X[:5])
        >>> augmenter.inverse_transform(codes, "no").shape
        (5, 3)
        """
        return encode.inverse_transform(get_fitted(self), Z, y)

    def reconstruct(self, X: Any, y: Any = None) -> Any:
        """Return a denoised copy of each row: the most probable row of its code.

        Parameters
        ----------
        X : as in fit
        y : label of all rows, or array-like of shape (n,), if known

        Returns
        -------
        X : as in fit, row by row

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> augmenter.reconstruct(X[:5], "no").shape
        (5, 3)
        """
        return self.vary(X, y, strength=0.0, sharp=False, random_state=0)

    def vary(
        self,
        X: Any,
        y: Any = None,
        *,
        strength: float = 1.0,
        sharp: bool = True,
        where: Mapping[Any, Any] | None = None,
        random_state: RandomState = None,
    ) -> Any:
        """Return a random variation of each row.

        Parameters
        ----------
        X : as in fit
        y : label of all rows, or array-like of shape (n,), if known
        strength : float, default=1.0
            Scales the noise on the codes; 0 gives the reconstruction (of images, with ``sharp``, the image).
        sharp : bool, default=True
            For images: change the image itself, ``x' = x + decoded(z') − decoded(z)``, which keeps the
            detail that decoding blurs. False returns the decoded variation.
        where : dict, optional
            Conditions that all variations meet, as in :meth:`sample`.
        random_state : int, RandomState or None

        Returns
        -------
        X : as in fit, row by row

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> augmenter.vary(X[:5], "no", strength=0.5, random_state=0).shape
        (5, 3)
        """
        return encode.vary(get_fitted(self), X, y, strength, sharp, where, self._seed_from(random_state))

    def complete(
        self,
        X: Any,
        y: Any = None,
        *,
        columns: Sequence[Any] | None = None,
        draws: int = 1,
        random_state: RandomState = None,
    ) -> Any:
        """Return rows with their missing cells filled by draws given all the others.

        Codes are drawn from the posterior of the filled row, and each missing cell given the code and all
        other cells, in turn (Gibbs sampling). What fills a cell varies as real values do: several draws are
        multiple imputation, and their mean, or most frequent value, is the best guess.

        Parameters
        ----------
        X : as in fit
            Of tables; rows with missing cells. Columns may miss values that had none in fit.
        y : label of all rows, or array-like of shape (n,), if known
        columns : sequence of names or positions, optional
            Fill cells of these columns only; others stay missing.
        draws : int, default=1
            How many times each cell is drawn.
        random_state : int, RandomState or None

        Returns
        -------
        X : as X, or list of ``draws`` of them
            Observed cells, index and dtypes as they are. Identifiers, and columns without any value in fit,
            stay missing. A table with nothing missing comes back as it is. Filled rows keep the rules. Dates
            that are written otherwise than in fit, as datetimes or as year-month-day, come back as in fit.

        Raises
        ------
        InputError
            For images, for rows that do not fit those of fit, for cells among dates that are none, and for
            unknown columns.

        Warns
        -----
        VaeaugWarning
            Where no values were found with which the observed cells keep a rule, or, in rows that are filled,
            numbers lie far outside of those of fit.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from vaeaug import VAEAugmenter
        >>> X = pd.DataFrame({"size": np.arange(60) / 4, "kind": ["small"] * 30 + ["large"] * 30})
        >>> augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X)
        >>> holes = pd.DataFrame({"size": [5, None], "kind": [None, "large"]})
        >>> found = augmenter.complete(holes, random_state=0)
        >>> int(found.isna().sum().sum()), float(found["size"].iloc[0])
        (0, 5.0)
        """
        seed = self._seed_from(random_state)
        return complete.complete(get_fitted(self), X, y, columns, draws, seed, self.verbose)

    def score_samples(self, X: Any, y: Any = None, *, n_draws: int = 16) -> np.ndarray:
        """Return a lower bound on the log-likelihood of each row, in nats; low means unusual.

        The importance-weighted bound (Burda et al. 2016) with ``n_draws`` codes per row.
        Numbers count by the bin they fall in. Columns that ``relations_`` calls computed do not count: a row
        that breaks such a rule scores like one that keeps it; ``vaeaug.evaluation.rules`` counts such rows.

        Returns
        -------
        ndarray of shape (n,)

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> usual, odd = augmenter.score_samples([[0.0, 0.0, 0.0], [9.0, -9.0, 9.0]])
        >>> bool(odd < usual)
        True
        """
        return encode.score_samples(get_fitted(self), X, y, n_draws)

    def uncertainty(self, X: Any, y: Any = None, *, n_draws: int = 8) -> np.ndarray:
        """Return how much the plausible reconstructions of each row differ; high means unsure.

        Codes are drawn from the posterior of the row, and the likeliest row of each is taken. How much these
        differ is, for images, the standard deviation of the pixels (root of the mean variance), as a share of
        their range; for tables the mean over columns, of numbers their standard deviation on a scale where
        the column is a standard normal, of categories the share of pairs of draws that differ.

        Parameters
        ----------
        X : as in fit
        y : label of all rows, or array-like of shape (n,), if known
        n_draws : int, default=8
            Draws per row, 2 or more.

        Returns
        -------
        ndarray of shape (n,)
            0 or more; a plain autoencoder (``posterior="none"``) takes the narrow spread of its variations.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> augmenter.uncertainty(X[:5]).shape
        (5,)
        """
        return encode.measure_uncertainty(get_fitted(self), X, y, n_draws)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one safetensors file, never a pickle, whatever the suffix.

        The file of a model of images holds training images, up to 20,000 of them and 32 million
        values in all, which ``sample(method="posterior")`` varies.

        Raises
        ------
        ArchiveError
            When the path cannot be written; what was there stays.

        Examples
        --------
        >>> import numpy as np
        >>> from vaeaug import VAEAugmenter
        >>> X, y = np.random.default_rng(0).normal(size=(60, 3)), ["no"] * 45 + ["yes"] * 15
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> augmenter.save(path)
        """
        state.save(self, path)

    @property
    def _n_features_out(self) -> int:
        return self.fitted_.model.blueprint.latent_dim

    def _seed_from(self, random_state: Any) -> Callable[[], int]:
        """Return what draws the seed of a call; a call that is refused draws none."""

        def draw() -> int:
            if random_state is not None or self.random_state is None:
                # Without a seed in fit every call takes fresh entropy, or two processes that
                # load one file would make the same rows.
                return derive_seed(random_state)
            self.calls_ += 1
            return hash_seed(self.fitted_.seed, self.calls_)

        return draw

    def _name_on(self, rows: Any, random_state: Any) -> Any:
        """Return new rows of a call without a seed with other names than those of earlier ones."""
        if random_state is not None or not self.id_columns_:
            return rows
        start = getattr(self, "named_", 0)  # objects that were pickled before lack it
        self.named_ = start + len(rows)
        return self.fitted_.intake.rename(rows, start)

    def _shard_options(
        self,
        shard_size: int | Auto,
        method: SampleMethod,
        temperature: float,
        n_jobs: int | None,
        verbose: int | bool | None,
        random_state: RandomState,
    ) -> ShardOptions:
        shown = bool(self.verbose if verbose is None else verbose)
        seed = self._seed_from(random_state)
        return ShardOptions(shard_size, method, temperature, n_jobs, shown, seed, random_state is not None)


def load(path: str | os.PathLike[str], device: Device = "auto") -> VAEAugmenter:
    """Read an estimator that :meth:`VAEAugmenter.save` wrote.

    Parameters
    ----------
    path : path-like
    device : str or torch.device, default="auto"
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
    # Classes that a file may name; nothing else is ever built from one.
    augmenter: VAEAugmenter = state.load(path, {"VAEAugmenter": VAEAugmenter}, device)
    return augmenter
