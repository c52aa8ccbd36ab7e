"""BatchAugment(select="hard"): of several candidates the hardest that still shows the class."""

import copy

import numpy as np
import pytest
import torch
from made_augmenter import MadeAugmenter
from made_images import blobs, fast
from torch import nn

from vaeaug import BatchAugment
from vaeaug.errors import InputError
from vaeaug.integrations.hard_examples import HardChoice

LABELS = torch.tensor([0, 1, 2, 1] * 10)


def batch():
    return ((60 * LABELS + 40) / 255).reshape(-1, 1, 1, 1).expand(-1, 1, 6, 5).contiguous()


class Brightness(nn.Module):
    """Scores three classes; the brighter the image, the less it looks like any but the last."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([-10.0, 0.0, 10.0]))
        self.dropout, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(3, affine=False)
        self.modes, self.formats, self.dtypes = [], [], []

    def forward(self, images):
        self.modes.append(self.training)
        self.formats.append(images.is_contiguous(memory_format=torch.channels_last))
        scores = images.mean((1, 2, 3))[:, None] @ self.weight[None]
        self.dtypes.append(scores.dtype)
        return self.dropout(scores)


def teach(labels, count=1):
    """Return a teacher that reads all candidates as their class."""
    scores = 50.0 * nn.functional.one_hot(labels.repeat_interleave(count), 3).float()
    return lambda images: scores


def read_nothing(images):
    """Return scores of a teacher that is sure of no class."""
    return torch.zeros(len(images), 3)


def hard(model=None, augmenter=None, **options):
    options = {"random_state": 0, "p": 1.0} | options
    return BatchAugment(augmenter or MadeAugmenter(), select="hard", model=model or Brightness(), **options)


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_one_candidate_is_taken_as_it_is(method):
    images = batch()
    new, labels = hard(candidates=1, teacher=teach(LABELS), method=method)(images, LABELS)
    plain = BatchAugment(MadeAugmenter(), p=1.0, method=method, random_state=0)(images, LABELS)[0]
    assert torch.equal(new, plain)
    assert labels is LABELS


def test_the_candidate_of_the_highest_loss_is_taken():
    candidates = torch.tensor([0.1, 0.9, 0.5, 0.8, 0.2, 0.3]).reshape(6, 1, 1, 1).expand(-1, 1, 2, 2)
    y = torch.tensor([0, 2])
    chosen, found = HardChoice(Brightness(), teach(y, 3), "test")(candidates, y, 3)
    # The brightest is hardest for class 0, the darkest for class 2.
    assert chosen.tolist() == [1, 4]
    assert found.all()


def test_what_the_teacher_does_not_read_is_not_taken():
    candidates = torch.tensor([0.1, 0.9, 0.5, 0.8]).reshape(4, 1, 1, 1).expand(-1, 1, 2, 2)
    teacher = lambda images: 50 * torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])  # noqa: E731
    chosen, found = HardChoice(Brightness(), teacher, "test")(candidates, torch.tensor([0, 0]), 2)
    assert chosen[0] == 0
    assert found.tolist() == [True, False]


def test_a_teacher_that_reads_nothing_leaves_images_alone():
    images = batch()
    module = hard(teacher=read_nothing)
    assert torch.equal(module(images, LABELS)[0], images)
    assert module.calls == 1


def test_hard_candidates_are_harder():
    images, model = batch(), Brightness()
    loss = [
        nn.functional.cross_entropy(model.eval()(module(images, LABELS)[0]), LABELS).item()
        for module in (
            BatchAugment(MadeAugmenter(), p=1.0, random_state=0),
            hard(model, candidates=8, teacher=teach(LABELS, 8)),
        )
    ]
    assert loss[1] > loss[0]


def test_the_share_of_images_is_p():
    images = batch()
    labels = torch.zeros(40, dtype=torch.int64)
    zero = nn.Sequential(nn.Flatten(), nn.Linear(30, 1))
    new, _ = hard(zero, p=0.5, candidates=2)(images, labels)
    # With one class every candidate is read as it; the chosen ones are those of the random choice.
    plain, _ = BatchAugment(MadeAugmenter(), p=0.5, random_state=0)(images, labels)
    changed = [(made != images).flatten(1).any(1) for made in (new, plain)]
    assert torch.equal(*changed)
    assert 0 < int(changed[0].sum()) < 40


def test_the_network_keeps_its_modes_weights_and_gradients():
    model = Brightness().train()
    model.norm.eval()
    before = copy.deepcopy(model.state_dict())
    module = hard(model)
    module(batch(), LABELS)
    assert not any(model.modes)
    assert (model.training, model.dropout.training, model.norm.training) == (True, True, False)
    assert model.weight.grad is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [*module.state_dict()] == ["_extra_state"]
    assert not [*module.parameters()]


def test_the_teacher_follows_the_network():
    model, candidates, y = Brightness(), torch.rand(4, 1, 2, 2), torch.tensor([0, 1])
    choice = HardChoice(model, None, "test")
    choice(candidates, y, 2)
    with torch.no_grad():
        model.weight += 1
    choice(candidates, y, 2)
    assert torch.allclose(choice.teacher.weight, torch.tensor([-9.99, 0.01, 10.01]))


def test_a_network_may_move_to_another_device():
    model, y = Brightness(), torch.tensor([0, 1])
    choice = HardChoice(model, None, "test")
    choice(torch.rand(4, 1, 2, 2), y, 2)
    model.to("meta")
    teacher = choice._follow()
    assert teacher.weight.device.type == teacher.norm.running_mean.device.type == "meta"


def test_autocast_and_memory_format_reach_the_network():
    model, images = Brightness(), batch().expand(-1, 2, -1, -1).contiguous(memory_format=torch.channels_last)
    module = hard(model, MadeAugmenter(channels=2), teacher=read_nothing)
    with torch.autocast("cpu", torch.bfloat16):
        new, _ = module(images, LABELS)
    assert model.formats == [True]
    assert model.dtypes == [torch.bfloat16]
    assert new.is_contiguous(memory_format=torch.channels_last)


def test_images_of_a_fitted_augmenter():
    images, y = blobs(40)
    x, labels = torch.from_numpy(images)[:, None].float() / 255, torch.from_numpy(y)
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 2))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([9.0, -9.0]))
    new, _ = hard(model, fast().fit(images / np.float32(255), y), candidates=3)(x, labels)
    # The teacher reads everything as class 0.
    changed = (new != x).flatten(1).any(1)
    assert torch.equal(changed, labels == 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": Brightness()}, 'go with select="hard"'),
        ({"teacher": read_nothing}, 'go with select="hard"'),
        ({"select": "hard"}, "needs model"),
        ({"select": "hard", "model": "net"}, "needs model"),
        ({"select": "hard", "model": Brightness(), "teacher": 3}, "teacher must map"),
        ({"select": "hard", "model": Brightness(), "candidates": 0}, "candidates"),
        ({"select": "harder"}, "select"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        BatchAugment(MadeAugmenter(), **options)


def test_labels_and_scores_that_do_not_fit_are_refused():
    images = batch()
    few = nn.Sequential(nn.Flatten(), nn.Linear(30, 2))
    with pytest.raises(InputError, match="columns of the scores of model, 0 to 1; got 2"):
        hard(few)(images, LABELS)
    with pytest.raises(InputError, match="class scores"):
        hard(nn.Identity())(images, LABELS)
    with pytest.raises(InputError, match="class numbers"):
        hard()(images, LABELS.double())


def test_a_network_that_does_not_take_the_batch_is_named():
    images = (255 * batch()).to(torch.uint8)
    network = nn.Sequential(nn.Flatten(), nn.Linear(30, 3))
    expected = r"BatchAugment: model does not take the images of the batch, uint8 \(160, 1, 6, 5\): .*Convert"
    with pytest.raises(InputError, match=expected):
        hard(network)(images, LABELS)
