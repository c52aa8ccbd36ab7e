"""BatchAugment: batches after the loader, repeatable, resumable, before MixUp and CutMix."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from made_augmenter import MadeAugmenter
from made_images import Pairs, fast
from torch._dynamo.testing import CompileCounter
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from vaeaug import BatchAugment, VAEAugmenter
from vaeaug.errors import InputError, UnknownLabelError
from vaeaug.utils.random import derive_seed, hash_seed

LABELS = torch.tensor([0, 1, 2, 1] * 10)


def batch(dtype=torch.uint8):
    images = (60 * LABELS + 40).reshape(-1, 1, 1, 1).expand(-1, 1, 6, 5).to(torch.uint8).contiguous()
    return images if dtype == torch.uint8 else images.to(dtype) / 255


def augment(augmenter=None, **options):
    return BatchAugment(augmenter or MadeAugmenter(), **({"random_state": 0} | options))


def changed(images, new):
    return (images != new).flatten(1).any(1)


@pytest.mark.parametrize("method", ["prior", "posterior"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_images_keep_their_kind_and_class(dtype, method):
    images = batch(dtype)
    new, labels = augment(p=1.0, method=method)(images, LABELS)
    assert new.dtype == dtype
    assert new.shape == images.shape
    assert labels is LABELS
    scale = 1 if dtype == torch.uint8 else 255
    assert bool(((new.float() - images.float()).abs() * scale <= 16.5).all())
    assert bool(changed(images, new).all())


def test_the_input_is_not_changed():
    images = batch()
    before = images.clone()
    augment(p=1.0)(images, LABELS)
    assert torch.equal(images, before)


def test_the_share_is_p():
    module, images = augment(p=0.3), batch()
    share = np.mean([float(changed(images, module(images, LABELS)[0]).float().mean()) for _ in range(60)])
    # 2,400 images: within four standard errors.
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 2400))


def test_batches_differ_and_runs_repeat():
    images = batch()
    one, two = augment(), augment()
    first = [one(images, LABELS)[0] for _ in range(3)]
    assert all(torch.equal(a, two(images, LABELS)[0]) for a in first)
    assert not torch.equal(first[0], first[1])


def test_a_resumed_run_goes_on():
    images = batch()
    whole = augment()
    for _ in range(3):
        whole(images, LABELS)
    again = augment(random_state=5)
    again.load_state_dict(whole.state_dict())
    assert torch.equal(whole(images, LABELS)[0], again(images, LABELS)[0])


def test_ranks_make_different_images(monkeypatch):
    images, found = batch(), []
    for rank in (0, 1):
        monkeypatch.setattr("vaeaug.integrations.batch_augment._rank", lambda rank=rank: rank)
        found.append(augment(p=1.0)(images, LABELS)[0])
    assert bool(changed(found[0], found[1]).all())


def test_evaluation_mode_leaves_batches_alone():
    module, images = augment(p=1.0).eval(), batch()
    new, labels = module(images, LABELS)
    assert new is images
    assert labels is LABELS


def test_no_image_chosen_is_no_call():
    augmenter = MadeAugmenter()
    assert augment(augmenter, p=0.0)(batch(), LABELS)[0].shape == batch().shape
    assert not augmenter.asked


def test_one_call_makes_all_images_of_a_batch():
    augmenter = MadeAugmenter()
    augment(augmenter, p=1.0)(batch(), LABELS)
    assert [rows for rows, _ in augmenter.asked] == [8, 40]


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_normalised_images(method):
    mean, std = [0.2], [0.3]
    images = v2.functional.normalize(batch(torch.float32), mean, std)
    new, _ = augment(p=1.0, method=method, mean=mean, std=std)(images, LABELS)
    back = new * 0.3 + 0.2
    assert bool(((back - batch(torch.float32)).abs() * 255 <= 16.5).all())
    assert bool(changed(images, new).all())


@pytest.mark.parametrize("mix", [v2.MixUp, v2.CutMix])
def test_mixing_follows(mix):
    chain = v2.Compose([augment(p=1.0), mix(num_classes=3)])
    torch.manual_seed(0)
    images, labels = chain(batch(torch.float32), LABELS)
    assert images.shape == (40, 1, 6, 5)
    assert labels.shape == (40, 3)
    assert torch.allclose(labels.sum(1), torch.ones(40))


def test_global_streams_are_left_alone():
    before = torch.get_rng_state()
    augment(random_state=None)(batch(), LABELS)
    assert torch.equal(before, torch.get_rng_state())


def test_the_representation_shows_settings_only():
    assert repr(augment()) == "BatchAugment(p=0.5, method='prior', temperature=1.0)"


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (batch(), torch.rand(40, 3), r"before MixUp or CutMix.*labels.argmax\(1\)"),
        (batch(), LABELS[:3], "one class number per image"),
        (batch(), LABELS.float() + 0.5, "label"),
        (torch.zeros(40, 1, 9, 9, dtype=torch.uint8), LABELS, r"shape \(6, 5\).*\(1, 9, 9\)"),
        (batch(torch.float32) * 4 - 2, LABELS, "not 0 to 1.*Pass the mean="),
        (
            batch(torch.float32) * 255,
            LABELS,
            r"0 to 255: pass images / 255.*ToDtype\(torch.float32, scale=True\)",
        ),
    ],
)
def test_unusable_batches_are_refused(images, labels, message):
    with pytest.raises(InputError, match=message):
        augment(p=1.0)(images, labels)


def test_an_augmenter_without_labels_is_refused_at_once():
    unlabelled = fast().fit(batch().numpy())
    with pytest.raises(InputError, match="fitted without labels.*Fit it with y.*or use VAEVariation"):
        BatchAugment(unlabelled)


def test_rows_that_lack_columns_are_refused():
    rows = torch.randn(40, 3)
    table = VAEAugmenter(max_iter=1, random_state=0).fit(rows.numpy(), LABELS.numpy())
    with pytest.raises(InputError, match="rows of 3 numbers, the real ones have 2. Pass the columns of fit"):
        BatchAugment(table, p=1.0)(rows[:, :2], LABELS)


def test_unknown_labels_are_refused_with_names_and_a_next_step():
    with pytest.raises(UnknownLabelError, match="(?s)BatchAugment: .*fit the augmenter on these classes"):
        augment(p=1.0)(batch(), LABELS + 5)
    images = batch()
    named = fast().fit(Pairs(list(images), LABELS.tolist(), classes=["cat", "dog", "owl"]))
    with pytest.raises(UnknownLabelError, match="allowed are 0, 1, 2. They number the classes 'cat', 'dog'"):
        augment(named, p=1.0)(images, LABELS + 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": [0.5]}, "belong together"),
        ({"mean": [0.5], "std": [0.0]}, "std must be a number > 0"),
        ({"mean": [0.5], "std": [-1.0]}, "std must be a number > 0"),
        ({"mean": [0.5], "std": [float("nan")]}, "std must be a number"),
        ({"mean": [float("inf")], "std": [1.0]}, "mean must be a number"),
        ({"mean": [], "std": []}, "mean must hold one number per channel"),
        ({"mean": ["a"], "std": [1.0]}, "BatchAugment: mean must be a number"),
        ({"mean": [0.1, 0.2, 0.3], "std": [0.1, 0.2]}, "of one length"),
    ],
)
def test_unusable_statistics_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        augment(**options)


def test_statistics_of_another_number_of_channels_are_refused():
    with pytest.raises(InputError, match=r"mean has 3 numbers.*\(40, 1, 6, 5\) have 1 channels"):
        augment(p=1.0, mean=[0.5] * 3, std=[0.5] * 3)(batch(torch.float32), LABELS)


def test_statistics_of_bytes_are_refused():
    with pytest.raises(InputError, match="normalised images, which are floats; got torch.uint8"):
        augment(p=1.0, mean=0.5, std=0.5)(batch(), LABELS)


@pytest.mark.parametrize(
    "wrap", [float, lambda v: [v], torch.tensor, lambda v: np.array([v]), lambda v: (v,)]
)
def test_statistics_in_any_form(wrap):
    images = v2.functional.normalize(batch(torch.float32), [0.2], [0.3])
    expected = augment(p=1.0, mean=[0.2], std=[0.3])(images, LABELS)[0]
    assert torch.allclose(augment(p=1.0, mean=wrap(0.2), std=wrap(0.3))(images, LABELS)[0], expected)


# --- labels and tensors ----------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: y.tolist(),
        lambda y: tuple(y.tolist()),
        lambda y: y.numpy(),
        lambda y: y[:, None],
        lambda y: y.to(torch.int16),
        lambda y: y.float(),
        lambda y: y[:, None].numpy(),
        lambda y: list(y),
    ],
)
@pytest.mark.parametrize("make", [MadeAugmenter, lambda: REAL])
def test_labels_in_any_form(wrap, make):
    labels = wrap(LABELS)
    expected = augment(make(), p=1.0)(batch(), LABELS)[0]
    new, found = augment(make(), p=1.0)(batch(), labels)
    assert torch.equal(new, expected)
    assert found is labels


def test_texts_as_labels():
    names = np.array(["cat", "dog", "eel"])
    augmenter = fast().fit(batch().numpy(), names[LABELS.numpy()])
    new, labels = augment(augmenter, p=1.0)(batch(), names[LABELS.numpy()].tolist())
    assert new.shape == (40, 1, 6, 5)
    assert labels[:3] == ["cat", "dog", "eel"]


@pytest.mark.parametrize(
    "labels", [[0, "a"] * 20, LABELS.float() + 0.5, ["cat"] * 40, [None] * 40, 3, LABELS + 7]
)
def test_labels_that_are_no_classes_are_refused(labels):
    with pytest.raises(InputError, match="label"):
        augment(REAL, p=1.0)(batch(), labels)


@pytest.mark.parametrize("images", [batch().numpy(), torch.tensor(3.0), None])
def test_images_that_are_no_tensor_are_refused(images):
    with pytest.raises(InputError, match="images must be a tensor"):
        augment(p=1.0)(images, LABELS)


def test_copies_go_on_alike():
    module = augment(REAL)
    module(batch(), LABELS)
    copies = [pickle.loads(pickle.dumps(module)), copy.deepcopy(module)]
    expected = module(batch(), LABELS)[0]
    assert all(torch.equal(again(batch(), LABELS)[0], expected) for again in copies)


REAL = fast().fit(batch().numpy(), LABELS.numpy())


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_gradients_reach_images_that_were_kept(method):
    images = batch(torch.float32).requires_grad_()
    new, _ = augment(REAL, method=method)(images, LABELS)
    new.sum().backward()
    kept = ~changed(images, new)
    assert 0 < kept.sum() < 40
    assert torch.equal(images.grad.flatten(1).amax(1), kept.float())
    assert torch.equal(images.detach(), batch(torch.float32))


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_the_memory_format_is_kept(method):
    images = torch.rand(40, 3, 6, 5).to(memory_format=torch.channels_last)
    augmenter = fast().fit(images.numpy(), LABELS.numpy())
    new, _ = augment(augmenter, method=method)(images, LABELS)
    assert new.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(new, augment(augmenter, method=method)(images.contiguous(), LABELS)[0])


def test_images_of_torchvision_stay_such():
    new, _ = augment(REAL, p=1.0)(tv_tensors.Image(batch()), LABELS)
    assert type(new) is tv_tensors.Image


def test_an_empty_batch_passes():
    new, _ = augment(REAL, p=1.0)(batch()[:0], LABELS[:0])
    assert new.shape == (0, 1, 6, 5)


# --- what the augmenter itself would make ----------------------------------------------


@pytest.mark.parametrize("layout", ["first", "last", "none", "flat"])
@pytest.mark.parametrize("method", ["prior", "posterior"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_tensors_are_those_that_the_augmenter_makes(layout, method, dtype):
    channels = 1 if layout == "none" else 3
    images = torch.rand(40, channels, 6, 5, generator=torch.Generator().manual_seed(0))
    images = (255 * images).to(torch.uint8)
    held = {
        "first": images.numpy(),
        "last": images.permute(0, 2, 3, 1).numpy(),
        "none": images[:, 0].numpy(),
        "flat": images.flatten(1).numpy(),
    }[layout]
    parameters = {"image_shape": (channels, 6, 5)} if layout == "flat" else {}
    augmenter = fast(**parameters).fit(held, LABELS.numpy())
    given = images if dtype == torch.uint8 else images.to(dtype) / 255
    new, _ = augment(augmenter, p=1.0, method=method)(given, LABELS)
    seed = hash_seed(derive_seed(0), 0, 0, 32)
    if method == "prior":
        made = augmenter.sample(40, y=LABELS.numpy(), random_state=seed)[0]
    else:
        made = augmenter.vary(held, LABELS.numpy(), random_state=seed)
    made = torch.from_numpy(made)
    made = made.permute(0, 3, 1, 2) if layout == "last" else made.reshape(images.shape)
    scale = 1 if dtype == torch.uint8 else 255
    # Rounded at another place, a value may come to lie one grey level off.
    assert (new.double() * scale - made.double()).abs().max() <= 1 + 1e-4


# --- compiled, saved, and on the device of the batch -----------------------------------


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_compiled_it_does_the_same_without_compiling_again(method):
    counter = CompileCounter()
    eager = augment(REAL, method=method)
    compiled = torch.compile(augment(REAL, method=method), backend=counter)
    for size in (40, 39, 38, 20, 40):
        images = batch(torch.float32)[:size]
        assert torch.equal(compiled(images, LABELS[:size])[0], eager(images, LABELS[:size])[0])
    assert not counter.frame_count


def test_inside_a_compiled_module_it_does_the_same():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.augment = augment(REAL)

        def forward(self, images, labels):
            return self.augment(images * 1.0, labels)[0] * 2

    counter = CompileCounter()
    eager, compiled = Net(), torch.compile(Net(), backend=counter)
    for size in (40, 30, 20, 10):
        images = batch(torch.float32)[:size]
        assert torch.equal(compiled(images, LABELS[:size]), eager(images, LABELS[:size]))
    assert counter.frame_count <= 4  # before and after it, for one size and for any


def test_its_state_is_a_tensor_beside_weights(tmp_path):
    def build():
        return torch.nn.Sequential(OrderedDict(augment=augment(), net=torch.nn.Linear(2, 2)))

    net = build()
    for _ in range(3):
        net.augment(batch(), LABELS)
    safetensors.torch.save_file(net.state_dict(), tmp_path / "net.safetensors")
    torch.save(net.state_dict(), tmp_path / "net.pt")
    for state in (
        safetensors.torch.load_file(tmp_path / "net.safetensors"),
        torch.load(tmp_path / "net.pt", weights_only=True),
    ):
        again = build()
        again.load_state_dict(state)
        assert (again.augment.seed, again.augment.calls) == (net.augment.seed, 3)


def test_a_checkpoint_without_it_is_complete():
    net = torch.nn.Sequential(augment(random_state=5), torch.nn.Linear(2, 2))
    seed = net[0].seed
    old = {name: value for name, value in net.state_dict().items() if "extra_state" not in name}
    assert not net.load_state_dict(old, strict=True).missing_keys
    assert (net[0].seed, net[0].calls) == (seed, 0)
    assert "0._extra_state" not in old


def test_a_checkpoint_of_the_first_release_is_read():
    module = augment()
    module.load_state_dict({"_extra_state": {"seed": 12, "calls": 34}})
    assert (module.seed, module.calls) == (12, 34)


def test_wide_seeds_come_back():
    module, again = augment(random_state=np.random.SeedSequence(3)), augment()
    assert module.seed > 2**63
    again.load_state_dict(module.state_dict())
    assert again.seed == module.seed


@pytest.mark.parametrize("state", [torch.tensor([1]), {"seed": 1}, "state", None, torch.zeros(2, 2)])
def test_a_state_that_is_none_is_refused(state):
    module = augment()
    before = module.seed, module.calls
    with pytest.raises(InputError, match="its state must be a tensor of seed and number of calls"):
        module.load_state_dict({"_extra_state": state})
    assert (module.seed, module.calls) == before


class Leaving(TorchFunctionMode):
    """Notes how many values leave their device at once."""

    def __init__(self):
        super().__init__()
        self.out = [0]

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in ("cpu", "numpy", "tolist", "item", "__array__", "__bool__", "__int__", "__float__"):
            self.out.append(args[0].numel())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("method", ["prior", "posterior"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_images_stay_on_their_device(method, dtype):
    images = batch(dtype)
    module = augment(REAL, method=method, p=1.0)
    module(images, LABELS)  # the first batch shows what images are
    with Leaving() as seen:
        module(images, LABELS)
    # Three numbers of each image leave: the least, the largest and the mean.
    assert max(seen.out) <= 3 * len(images)


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_the_callers_torch_changes_nothing(method):
    expected = augment(REAL, method=method)(batch(torch.float32), LABELS)[0]
    images = batch(torch.float32)
    for context in (torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)):
        with context():
            assert torch.equal(augment(REAL, method=method)(images, LABELS)[0], expected)
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float64)
    try:
        found = augment(REAL, method=method)(images, LABELS)[0]
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, expected)


def test_what_inference_mode_leaves_behind_is_of_use():
    module = augment(REAL, p=1.0)
    with torch.inference_mode():
        module(batch(torch.float32), LABELS)
    images = batch(torch.float32).requires_grad_()
    module(images, LABELS)[0].sum().backward()
    assert not images.grad.any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_stay_on_the_gpu():
    new, labels = augment(p=1.0)(batch().cuda(), LABELS.cuda())
    assert new.is_cuda
    assert labels.is_cuda
    assert torch.equal(new.cpu(), augment(p=1.0)(batch(), LABELS)[0])


class MixInWorkers:
    """A collate_fn that augments where the items are put together."""

    def __init__(self, **options):
        self.mix = augment(p=1.0, **options)

    def __call__(self, items):
        images, labels = (
            torch.stack([image for image, _ in items]),
            torch.tensor([label for _, label in items]),
        )
        return self.mix(images, labels)[0]


@pytest.mark.parametrize("options", [{}, {"random_state": None}])
def test_workers_and_epochs_make_images_of_their_own(options):
    data = [(torch.full((1, 6, 5), 100, dtype=torch.uint8), 1)] * 8
    torch.manual_seed(0)
    loader = DataLoader(data, batch_size=2, num_workers=2, collate_fn=MixInWorkers(**options))
    batches = [batch for _ in range(2) for batch in loader]
    assert len({batch.numpy().tobytes() for batch in batches}) == 8
    if not options:
        torch.manual_seed(0)
        assert all(torch.equal(one, other) for one, other in zip(batches[:4], loader, strict=True))


def test_swapped_arguments_are_named():
    with pytest.raises(InputError, match="The images come first, then their labels"):
        augment()(LABELS, batch())


def test_grey_images_before_a_model_of_colours_are_named():
    with pytest.raises(InputError, match=r"give real ones 3 channels for 1.*num_output_channels=3"):
        augment(MadeAugmenter(channels=3))(batch(), LABELS)
