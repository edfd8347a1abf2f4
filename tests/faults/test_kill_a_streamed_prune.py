"""kill -9 at moments that nobody chose, while a model is pruned layer by layer: what goes on afterwards makes the
checkpoint of a run that nobody disturbed, byte by byte. (tests/calibprune/saving/test_making_streamed.py kills at each
call that changes the disk.)
"""

import os
import random
from pathlib import Path

import torch
from byte_tokenizer import TOKENIZER
from children import killed_after, processor_seconds
from tiny_models import tiny

from calibprune.saving import making
from calibprune.saving.construction import place_of
from calibprune.schemes import Sparsity

KILLS = int(os.environ.get("CALIBPRUNE_KILLS", "3"))
DIFFERENT = ("| seconds", "| date")
"""How the lines of a model card begin that differ from run to run."""


def checkpoint(folder: Path) -> dict[str, bytes | list[str]]:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    card = files["README.md"].decode().splitlines()
    return files | {"README.md": [line for line in card if not line.startswith(DIFFERENT)]}


def test_a_streamed_prune_that_is_killed_at_any_moment_goes_on_to_the_same_checkpoint(tiny_texts, tmp_path):
    model = tmp_path / "model"
    tiny("llama", dtype=torch.bfloat16, num_hidden_layers=6).save_pretrained(model, max_shard_size="20KB")
    TOKENIZER.save_pretrained(model)
    text = making.Text("de", tiny_texts, 6, 24)

    def prune(output: Path) -> None:
        target = making.Target(output, "dense", "cpu", "bfloat16", True)
        making.prune(str(model), target, "sparsegpt", Sparsity.of("0.5"), text)

    prune(tmp_path / "undisturbed")
    expected = checkpoint(tmp_path / "undisturbed")
    seconds = processor_seconds(prune, tmp_path / "timed")
    moments = random.Random(70)
    killed = resumed = 0
    for number in range(KILLS):
        output = tmp_path / str(number) / "out"
        while killed_after(moments.random() * seconds, prune, output):  # again and again, until it is done
            killed += 1
            assert not output.exists() or checkpoint(output) == expected
            resumed += place_of(output).exists()
            if output.exists():  # killed when all that was left to do was to end
                break
        assert checkpoint(output) == expected
    assert killed and resumed, "no process was killed in the middle of its work"
