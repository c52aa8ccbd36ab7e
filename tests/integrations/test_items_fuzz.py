"""Fuzz: a Dataset of any items, with any labels, ends in items of their kind or in an error of ours.

``VAEAUG_FUZZ=2000`` runs so many examples instead of fifty.
"""

import os
import warnings

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_images import fast
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset
from torchvision import tv_tensors

from vaeaug import AugmentedDataset, BatchAugment
from vaeaug.errors import InputError, VaeaugError, VaeaugWarning
from vaeaug.integrations.albumentations import VAEVariation as AlbumentationsVariation
from vaeaug.integrations.conversion import Kind
from vaeaug.integrations.torchvision import VAEVariation

fuzz = settings(
    deadline=None,
    derandomize="VAEAUG_FUZZ" not in os.environ,
    max_examples=int(os.environ.get("VAEAUG_FUZZ", 50)),
    suppress_health_check=list(HealthCheck),
    database=None,
)

SHAPES = [
    (8, 8),
    (1, 8, 8),
    (8, 8, 1),
    (3, 8, 7),
    (8, 7, 3),
    (4, 8, 8),
    (2, 6, 9),
    (5, 8, 8),
    (3, 8, 3),
    (2, 2),
    (64,),
]
SHAPES += [(), (0, 8, 8), (1, 1, 8, 8), (8, 1)]
MODES = [
    "1",
    "L",
    "LA",
    "La",
    "RGB",
    "RGBA",
    "RGBX",
    "I",
    "I;16",
    "F",
    "P",
    "PA",
    "CMYK",
    "YCbCr",
    "HSV",
    "LAB",
]
TENSORS = ["bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "int64"]
TENSORS += ["float16", "bfloat16", "float32", "float64", "complex64", "float8_e4m3fn"]
ARRAYS = [
    "bool",
    "uint8",
    "uint16",
    "int16",
    "int64",
    "float16",
    "float32",
    "float64",
    ">f4",
    ">u2",
    "longdouble",
]
ARRAYS += ["complex128", "object", "U3", "M8[s]"]

#: What fills an image; numbers from 0 to 1 become these.
VALUES = {
    "0 to 1": lambda x: x,
    "0 to 255": lambda x: x * 255,
    "-1 to 1": lambda x: x * 2 - 1,
    "0 to 16": lambda x: np.rint(x * 16),
    "standardised": lambda x: (x - 0.4) / 0.3,
    "0 to 65535": lambda x: x * 65535,
    "dark": lambda x: x * 10,
    "binary": lambda x: np.rint(x),
    "constant": lambda x: x * 0 + 3,
    "black": lambda x: x * 0,
    "huge": lambda x: x * 1e30,
    "tiny": lambda x: x * 1e-40,
    "far apart": lambda x: (x - 0.5) * 1e300,
    "with NaN": lambda x: np.where(x > 0.9, np.nan, x),
    "with infinity": lambda x: np.where(x > 0.9, np.inf, x),
}
OTHER_ITEMS = [None, 3, "file.png", [[0, 1], [2, 3]], b"bytes", {"image": 1}]

#: What item i carries as its label, given its class 0, 1 or 2.
LABELS = {
    "int": lambda i, k: int(k),
    "text": lambda i, k: "abc"[k],
    "long text": lambda i, k: "abc"[k] * (1 + 9 * k),
    "bool": lambda i, k: bool(k),
    "float": lambda i, k: float(k),
    "fractions": lambda i, k: k + 0.37,
    "array (1,)": lambda i, k: np.array([k], dtype=np.uint8),
    "array ()": lambda i, k: np.array(k),
    "array (2,)": lambda i, k: np.array([k, k]),
    "tensor": lambda i, k: torch.tensor(int(k)),
    "tensor (1,)": lambda i, k: torch.tensor([int(k)], dtype=torch.int16),
    "float tensor": lambda i, k: torch.tensor(float(k)),
    "one-hot": lambda i, k: torch.eye(3)[k],
    "numpy": lambda i, k: np.int8(k),
    "numpy text": lambda i, k: np.str_("abc"[k]),
    "numpy date": lambda i, k: np.datetime64("2020-01-01", "D") + k,
    "bytes": lambda i, k: b"abc"[k : k + 1],
    "list": lambda i, k: [int(k)],
    "tuple": lambda i, k: (int(k), 1),
    "mixed": lambda i, k: ["a", 1, 2.5][k],
    "some missing": lambda i, k: None if i % 3 == 0 else int(k),
    "missing": lambda i, k: None,
    "NaN": lambda i, k: float("nan") if i % 3 == 0 else float(k),
    "huge": lambda i, k: 2**70 + int(k),
    "negative": lambda i, k: -int(k) - 1,
    "all different": lambda i, k: i,
    "one class": lambda i, k: 5,
    "dict": lambda i, k: {"boxes": k},
    "set": lambda i, k: {int(k)},
    "class": lambda i, k: int,
}


class Items(Dataset):
    """A Dataset of given items with whatever attributes beside them."""

    def __init__(self, items, **attributes):
        self.items = items
        self.__dict__.update(attributes)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        if self.items[index] is ValueError:
            raise ValueError("truncated")
        return self.items[index]


class Batched(Items):
    def __getitems__(self, indices):
        return [self[index] for index in indices]


class Forgetful(Items):
    def __getitems__(self, indices):
        return []


class Overriding(Batched):
    def __getitem__(self, index):
        return super().__getitem__(index)


class Lengthless(Dataset):
    def __getitem__(self, index):
        return np.zeros((8, 8)), 0


class Secretive(Items):
    @property
    def targets(self):
        raise KeyError("targets")


WRAPPERS = {
    "Dataset": lambda items, y: Items(items),
    "list": lambda items, y: list(items),
    "tuple": lambda items, y: tuple(items),
    "true list of labels": lambda items, y: Items(items, targets=y),
    "labels": lambda items, y: Items(items, labels=y),
    "wrong list of labels": lambda items, y: Items(items, targets=[0, 1] * len(y)),
    "wrong labels": lambda items, y: Items(items, targets=y[::-1]),
    "odd labels": lambda items, y: Items(items, labels={"a": 1}, targets="abc"),
    "raising": lambda items, y: Secretive(items),
    "batched": lambda items, y: Batched(items, targets=y),
    "forgetful": lambda items, y: Forgetful(items),
    "overriding": lambda items, y: Overriding(items),
    "Subset": lambda items, y: Subset(Items(items, targets=y), range(0, len(items), 2)),
    "Subset of tensors": lambda items, y: Subset(Items(items), torch.arange(len(items))),
    "ConcatDataset": lambda items, y: ConcatDataset([Items(items, targets=y), Items(items)]),
    "TensorDataset": lambda items, y: TensorDataset(
        torch.stack([torch.as_tensor(np.asarray(image).copy()) for image, _ in items]),
        torch.as_tensor(np.asarray(y)),
    ),
    "triples": lambda items, y: Items([(*item, 0) for item in items]),
    "images alone": lambda items, y: Items([item[0] for item in items]),
    "lists": lambda items, y: Items([list(item) for item in items]),
    "dicts": lambda items, y: Items([{"image": item[0], "label": item[1]} for item in items]),
    "one raises": lambda items, y: Items([*items[:-1], ValueError], targets=y),
    "lengthless": lambda items, y: Lengthless(),
    "empty": lambda items, y: Items([]),
    "empty list": lambda items, y: [],
    "one item": lambda items, y: Items(items[:1]),
    "two items": lambda items, y: Items(items[:2]),
}


def made_image(rng, shape, container, dtype, values):
    """Return one image, or what stands in its place."""
    x = VALUES[values](rng.random(shape))
    with np.errstate(all="ignore"):
        if container == "pil":
            plain = Image.fromarray(np.clip(np.nan_to_num(x), 0, 255).astype(np.uint8).reshape(8, 8))
            return Image.new("La", (8, 8), (7, 99)) if dtype == "La" else plain.convert(dtype)
        if container == "array":
            return np.asarray(x).astype("f8").astype(dtype)
        tensor = torch.from_numpy(np.asarray(x, dtype=np.float64)).to(getattr(torch, dtype))
        return tv_tensors.Image(tensor) if container == "image" and len(shape) > 1 else tensor


class Drawn:
    """A Dataset, its images, and what they are."""

    def __init__(self, dataset, images, description):
        self.dataset, self.images, self.description = dataset, images, description

    def __repr__(self):
        return self.description


@st.composite
def datasets(draw):
    """Draw a Dataset of images of one kind, labels of one form, one wrapper, and perhaps an odd item."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    n = draw(st.sampled_from([6, 9, 20]))
    container = draw(st.sampled_from(["pil", "tensor", "tensor", "image", "array", "array"]))
    dtype = draw(st.sampled_from({"pil": MODES, "array": ARRAYS}.get(container, TENSORS)))
    # Half of all are of a kind that can be learned from, but for one thing.
    strange = draw(st.sampled_from(["shape", "values", "labels", "wrapper", "odd", "all", "none", "none"]))

    def among(what, names, usual):
        return draw(st.sampled_from(names if strange in (what, "all") else names[:usual]))

    shape = (8, 8) if container == "pil" else among("shape", SHAPES, 6)
    values = among("values", list(VALUES), 3)
    labels = among("labels", list(LABELS), 5)
    wrapper = among("wrapper", list(WRAPPERS), 5)
    images = [made_image(rng, shape, container, dtype, values) for _ in range(n)]
    odd = among("odd", [None, "shape", "values", "other", "dtype"], 1)
    if odd == "other":
        images[-1] = draw(st.sampled_from(OTHER_ITEMS))
    elif odd:
        other = {
            "shape": (shape if container == "pil" else (9, 9), container, dtype, values),
            "values": (shape, container, dtype, draw(st.sampled_from(list(VALUES)))),
            "dtype": (shape, "array", "float64", values),
        }[odd]
        images[draw(st.sampled_from([0, -1]))] = made_image(rng, *other)
    y = [LABELS[labels](i, i % 3) for i in range(n)]
    pairs = list(zip(images, y, strict=True))
    try:
        dataset = WRAPPERS[wrapper](pairs, y)
    except (TypeError, ValueError, RuntimeError, AttributeError):  # torch cannot hold them
        dataset, wrapper = Items(pairs), "Dataset"
    description = f"{n} × {container} {dtype} {shape}, {values}, labels {labels}, {wrapper}, odd {odd}"
    return Drawn(dataset, images, description)


def tried(call):
    """Return what a call returns, None if it ends in an error of ours; any other error is a failure."""
    try:
        return call()
    except VaeaugError:
        return None


KNOWN = {
    "bytes": lambda: np.random.default_rng(0).integers(0, 256, (12, 8, 8)).astype(np.uint8),
    "floats": lambda: np.random.default_rng(0).random((12, 1, 8, 8), dtype=np.float32),
    "colours": lambda: torch.rand(12, 3, 8, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1,
}
_FITTED = {}


def known(name):
    if name not in _FITTED:
        _FITTED[name] = fast().fit(KNOWN[name](), np.arange(12) % 3)
    return _FITTED[name]


def check_alike(items, kind):
    for image, _ in items:
        assert Kind.of(image) == kind
        if kind.array_dtype.kind == "f":
            assert np.isfinite(np.asarray(image.double() if isinstance(image, torch.Tensor) else image)).all()


@fuzz
@given(
    datasets(),
    st.sampled_from(["own", "own", "own", *KNOWN]),
    st.sampled_from(["prior", "posterior"]),
    st.sampled_from([False, True, {0: 9}, 0.5]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_items_or_an_error_of_ours(drawn, fitted, method, balance, p):
    dataset, images = drawn.dataset, drawn.images
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VaeaugWarning)
        augmenter = tried(lambda: fast().fit(dataset)) if fitted == "own" else known(fitted)
        if augmenter is None:
            return
        tried(lambda: augmenter.sample(3, random_state=0))
        options = {"method": method, "balance": balance, "p": p, "random_state": 0}
        data = tried(lambda: AugmentedDataset(dataset, augmenter, **options))
        if data is not None:
            items = tried(lambda: [data[i] for i in range(len(data))])
            if items is not None:
                new = data.provenance_table()["synthetic"].to_numpy()
                check_alike([item for item, is_new in zip(items, new, strict=True) if is_new], data._kind)
                tried(lambda: data[:3])
        image = images[0]
        vary = VAEVariation(augmenter, p=1.0, random_state=0)
        if isinstance(image, Image.Image | torch.Tensor):
            change = tried(lambda: vary(image))
            assert change is None or type(change) is type(image)
        if isinstance(image, np.ndarray):
            tried(lambda: AlbumentationsVariation(augmenter, p=1.0).apply_to_images(image[None]))
        if all(isinstance(each, torch.Tensor) and each.shape == images[0].shape for each in images):
            batch = torch.stack([each.as_subclass(torch.Tensor) for each in images])
            augment = BatchAugment(augmenter, p=1.0, method=method, random_state=0)
            found = tried(lambda: augment(batch, [i % 3 for i in range(len(batch))]))
            assert found is None or (found[0].dtype, found[0].shape) == (batch.dtype, batch.shape)


INDEXES = st.one_of(
    st.integers(-30, 30),
    st.lists(st.integers(-14, 14), max_size=5),
    st.lists(st.booleans(), max_size=13),
    st.slices(12),
    st.sampled_from(
        [None, "a", 1.5, (1, 2), [[1]], ..., {}, set(), np.zeros(12, bool), torch.zeros(0), b"a", [1.0]]
    ),
)


@fuzz
@given(INDEXES)
def test_any_index_gives_items_or_an_error_of_ours(index):
    if "data" not in _FITTED:
        images = KNOWN["bytes"]()
        _FITTED["data"] = AugmentedDataset(
            list(zip(images, (np.arange(12) % 3).tolist(), strict=True)), known("bytes"), random_state=0
        )
    try:
        found = _FITTED["data"][index]
    except (InputError, IndexError):
        return
    assert len(found) == 2
