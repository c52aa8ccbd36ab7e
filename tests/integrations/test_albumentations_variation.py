"""VAEVariation of albumentations: composes, keeps masks and boxes, is seeded, written and read by path."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from made_augmenter import MadeAugmenter

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError
from vaeaug.integrations.albumentations import VAEVariation
from vaeaug.integrations.quiet import A, check_version

GREY = np.full((6, 5), 100, dtype=np.uint8)


def compose(*, seed=0, augmenter=None, **options):
    return A.Compose([VAEVariation(augmenter or MadeAugmenter(), **({"p": 1.0} | options))], seed=seed)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    found = tmp_path_factory.mktemp("saved") / "model.safetensors"
    VAEAugmenter(max_iter=1, random_state=0).fit(images, np.arange(60) % 3).save(found)
    return found


SMALL = np.full((8, 8), 100, dtype=np.uint8)


@pytest.mark.parametrize(
    ("image", "augmenter"),
    [
        (GREY, MadeAugmenter()),
        (GREY[..., None], MadeAugmenter()),
        (GREY.astype(np.float32) / 255, MadeAugmenter()),
        (np.repeat(GREY[..., None], 3, 2), MadeAugmenter(channels=3, layout="first")),
    ],
)
def test_the_kind_of_an_image_is_kept(image, augmenter):
    new = A.Compose([VAEVariation(augmenter, p=1.0)], seed=0)(image=image)["image"]
    assert (new.dtype, new.shape) == (image.dtype, image.shape)
    difference = np.abs(new.astype(float) - image) * (1 if image.dtype == np.uint8 else 255)
    assert 0 < difference.max() <= 15.5


def test_masks_and_boxes_stay():
    boxes = np.array([[0, 0, 3, 3]], dtype=np.float32)
    kept = A.BboxParams("pascal_voc", label_fields=["kinds"])
    chain = A.Compose([VAEVariation(MadeAugmenter(), p=1.0), A.NoOp()], seed=0, bbox_params=kept)
    after = chain(image=GREY, mask=GREY, bboxes=boxes, kinds=["cat"])
    assert (after["image"] != GREY).any()
    assert (after["mask"] == GREY).all()
    assert np.allclose(after["bboxes"], boxes)


def test_the_seed_of_compose_decides():
    first, second = compose(), compose()
    found = [first(image=GREY)["image"] for _ in range(3)]
    assert all((a == second(image=GREY)["image"]).all() for a in found)
    assert (found[0] != found[1]).any()
    assert (found[0] != compose(seed=1)(image=GREY)["image"]).any()


def test_images_are_varied_in_one_call():
    augmenter = MadeAugmenter()
    after = A.Compose([VAEVariation(augmenter, p=1.0)], seed=0)(images=np.stack([GREY] * 9))["images"]
    assert after.shape == (9, 6, 5)
    assert [rows for rows, _ in augmenter.asked] == [8, 9]


class Labelled(MadeAugmenter):
    def vary(self, X, y=None, **options):
        self.labels = y
        return super().vary(X, y, **options)


def test_labels_are_targets():
    augmenter = Labelled()
    chain = A.Compose([VAEVariation(augmenter, label="label", p=1.0)], seed=0)
    assert chain(image=GREY, label=2)["label"] == 2
    assert augmenter.labels.tolist() == [2]
    with pytest.raises(ValueError, match="label"):
        chain(image=GREY)


def test_a_transform_with_a_path_is_written_and_read(path, tmp_path):
    chain = A.Compose(
        [VAEVariation(path, strength=0.5, label="label", p=1.0), A.HorizontalFlip(p=0.5)], seed=3
    )
    A.save(chain, tmp_path / "chain.json")
    for again in (A.from_dict(A.to_dict(chain)), A.load(tmp_path / "chain.json")):
        again.set_random_seed(3)
        step = again.transforms[0]
        assert (step.augmenter, step.strength, step.label, step.p) == (str(path), 0.5, "label", 1.0)
        found = [c(image=SMALL, label=1)["image"] for c in (A.from_dict(A.to_dict(chain)), again)]
        assert found[1].shape == (8, 8)
    chain.set_random_seed(3)
    again.set_random_seed(3)
    assert (chain(image=SMALL, label=1)["image"] == again(image=SMALL, label=1)["image"]).all()


def test_a_transform_with_an_augmenter_cannot_be_written():
    with pytest.raises(InputError, match=r"augmenter.save\(path\)"):
        A.to_dict(A.Compose([VAEVariation(MadeAugmenter())]))


def test_it_pickles(path):
    again = pickle.loads(pickle.dumps(A.Compose([VAEVariation(path, p=1.0)], seed=0)))
    assert again(image=SMALL)["image"].shape == (8, 8)


@pytest.mark.filterwarnings("ignore:.*could work incorrectly in ReplayMode")
def test_a_replay_repeats(path):
    chain = A.ReplayCompose([VAEVariation(path, label="label", p=1.0)])
    found = chain(image=SMALL, label=1)
    again = A.ReplayCompose.replay(found["replay"], image=SMALL, label=1)
    assert (found["image"] == again["image"]).all()


def test_a_file_written_anew_is_read_anew(tmp_path):
    found = []
    for seed in (0, 1):
        images = np.random.default_rng(seed).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        VAEAugmenter(max_iter=1, random_state=seed).fit(images).save(tmp_path / "m.safetensors")
        os.utime(tmp_path / "m.safetensors", ns=(seed + 1, seed + 1))
        chain = A.Compose([VAEVariation(tmp_path / "m.safetensors", p=1.0, strength=3.0)], seed=0)
        found.append(chain(image=SMALL)["image"])
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize("version", ["2.0.7", "2.1.0", "2.5.1", "1.4"])
def test_other_releases_are_refused(version):
    with pytest.raises(ImportError, match=f"needs albumentations 2.0.8.*found {version}.*pip install"):
        check_version(version)


def test_the_environment_is_left_as_it_was():
    program = "import os; import vaeaug.integrations.quiet; print(os.environ.get('NO_ALBUMENTATIONS_UPDATE'))"
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "None"


def test_unusable_strength_is_refused():
    with pytest.raises(ValueError, match="strength"):
        VAEVariation(MadeAugmenter(), strength=-1)
