"""The page of departures: what it names is there, and the numbers on it are those that this code measures."""

import inspect
import re
from importlib import import_module
from typing import Any

import numpy as np
import one_method
import pytest
import torch

from calibbook.checkout import ROOT
from calibprune.kernels.gram import add_gram
from calibprune.kernels.rounding import fit
from calibprune.methods import METHODS, magnitude
from calibprune.metrics.subspace import language_subspace
from calibprune.schemes import Grid, Sparsity

PAGE = (ROOT / "book" / "published_code.md").read_text(encoding="utf-8")
FIELDS = ["Paper", "Published code", "What it changes", "Here"]
NOT_RUN = "Methods that this book does not run"
NAMED = re.compile(r"`(calibprune(?:\.\w+)+)(?:\((\w+)\))?`")


def entries() -> dict[str, dict[str, str]]:
    """Title of an entry -> its fields."""
    found = {}
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        for entry in section.split("\n### ")[1:]:
            title, _, text = entry.partition("\n")
            found[title] = dict(re.findall(r"^(\S[^\n]*)\n: (.*?)(?=\n\n\S|\Z)", text, re.MULTILINE | re.DOTALL))
    return found


ENTRIES = entries()


def looked_up(name: str) -> Any:
    """What a dotted name stands for: a module's attribute."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def test_every_entry_has_its_fields():
    not_run = re.findall(r"^### (.*)$", PAGE.split(f"## {NOT_RUN}\n")[1], re.MULTILINE)
    assert len(ENTRIES) > 20 and set(not_run) < set(ENTRIES)
    for title, fields in ENTRIES.items():
        assert list(fields) == FIELDS[: 3 if title in not_run else 4], title
        assert re.search(
            r"`[\w/]+\.py`|same functions|no code of its own|lm-evaluation-harness", fields["Published code"]
        )


def test_every_repository_that_is_named_was_read_at_a_commit():
    read = re.findall(r"^\| \[\w[\w-]*/([\w-]+)\]\(https://github\.com/\S+\) \| ", PAGE, re.MULTILINE)
    assert len(read) == len(set(read)) > 8
    begun = [fields["Published code"].split(", ")[0] for fields in ENTRIES.values()]
    named = {name for name in read if any(text.startswith(name) for text in begun)}
    assert named == set(read)


@pytest.mark.parametrize("name,parameter", sorted(set(NAMED.findall(PAGE))))
def test_what_is_named_of_calibprune_is_there(name, parameter):
    found = looked_up(name)
    assert not parameter or parameter in inspect.signature(found).parameters


def test_a_name_that_is_not_there_would_be_found():
    with pytest.raises(AttributeError):
        looked_up("calibprune.methods.wanda.no_such_function")


def test_what_magnitude_takes_too_much():
    said = re.search(
        r"takes ([\d.]+)% of them in bfloat16 and ([\d.]+)%", ENTRIES["Magnitude takes more than its share"][FIELDS[2]]
    )
    drawn = torch.from_numpy(np.random.default_rng(0).standard_normal((1024, 1024), np.float32))
    for share, dtype in zip(said.groups(), (torch.bfloat16, torch.float16), strict=True):
        size = drawn.to(dtype).abs().float()
        threshold = np.sort(size.numpy(), axis=None)[size.numel() // 2]
        assert f"{100 * float((size <= threshold).float().mean()):.2f}" == share
        assert magnitude.prune(drawn.to(dtype), None, Sparsity.of(0.5)).sum() == size.numel() // 2


def test_a_running_mean_gives_wandas_mask():
    wanda, random = METHODS["wanda"], torch.Generator().manual_seed(0)
    sequences = torch.randn(5, 12, 40, generator=random)
    weight = torch.randn(8, 40, generator=random)
    mean = torch.zeros(40)
    for seen, x in enumerate(sequences, 1):
        mean = mean * (seen - 1) / seen + x.square().sum(dim=0) / seen
    total = wanda.accumulate(None, sequences)
    masks = [wanda.solve([weight.clone()], value, Sparsity.of(0.5), None)[0].mask for value in (total, mean)]
    assert not torch.equal(total, mean) and torch.equal(*masks)


def test_sparsegpt_takes_one_more_of_each_block_and_rows_differ():
    random = torch.Generator().manual_seed(0)
    weight, x = torch.randn(16, 256, generator=random), torch.randn(600, 256, generator=random)
    (solved,) = one_method.solve(METHODS["sparsegpt"], [weight], add_gram(None, x), 1, Sparsity.of(0.5), None)
    assert [int(block.sum()) for block in solved.mask.split(128, dim=1)] == [16 * 64 + 1] * 2
    assert len(set(solved.mask.sum(dim=1).tolist())) > 1


def test_the_largest_level_of_a_group_without_a_negative_weight():
    top, bits = 2.0, 4
    levels = 2**bits
    published = top / (levels - 1)  # the step of a range from zero, whose middle code stands for zero
    largest = (levels - 1 - levels // 2) * published
    steps = re.search(r"(\d+)/(\d+) of it with 4 bits", ENTRIES["A symmetric grid that is not"][FIELDS[2]])
    assert largest / top == pytest.approx(int(steps[1]) / int(steps[2]))
    scale, zero = fit(torch.linspace(0.1, top, 8)[:, None], Grid(bits), torch.float32)
    assert float((levels - 1 - zero) * scale) == pytest.approx(top, rel=0.1)


def test_a_mean_over_the_width_leaves_what_all_languages_share():
    random = np.random.default_rng(0)
    common = random.standard_normal(512)
    means = common[:, None] + 0.1 * random.standard_normal((512, 7))
    said = re.search(
        r"cosine of (\d\.\d+); with the code's factor it is (\d\.\d+)",
        ENTRIES["Language subspace: one over what?"][FIELDS[2]],
    )
    mean = means.mean(axis=1)
    printed = np.linalg.svd(means - means.sum(axis=1, keepdims=True) / len(means))[0][:, 0]
    ours = language_subspace(torch.from_numpy(means), 1)[0][:, 0].numpy()
    cosines = [abs(direction @ mean) / np.linalg.norm(mean) for direction in (printed, ours)]
    assert [f"{cosine:.2f}" for cosine in cosines] == list(said.groups())
