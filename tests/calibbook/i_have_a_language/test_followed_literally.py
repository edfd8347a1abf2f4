"""The page of a small study, and what it tells a reader to do, done: its commands are taken from what it shows and run
as they stand.
"""

import re
import shlex
import sys

import pytest
from byte_tokenizer import byte_tokenizer
from pages import NOTEBOOKS, shown_by
from safetensors import safe_open
from tiny_models import tiny

from calibbook.i_have_a_language.commands import PROGRAM
from calibbook.i_have_a_language.example import BESIDE, LANGUAGE
from calibprune import cli
from calibprune.languages import LANGUAGES

(NOTEBOOK,) = [path for path in NOTEBOOKS if path.stem == "i_have_a_language"]
STUDY = {
    "methods": ["magnitude", "wanda"],
    "sparsity": [0.5],
    "sweep_sparsity": [],
    "sweep_samples": [],
    "bits": [8],
    "group_size": 16,
    "languages": ["de", "sw"],
    "calibration_mixtures": ["de+sw"],
    "mask_seeds": [],
    "calibration_samples": 2,
    "calibration_length": 32,
    "evaluation_source": ["chromium"],
    "evaluation_samples": 2,
    "evaluation_length": 32,
    "metrics": ["perplexity"],
    "tasks": ["knowledge"],
    "task_limit": 4,
    "dtype": "float32",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("study")
    tiny("llama", num_hidden_layers=2, max_position_embeddings=1024).save_pretrained(folder / "tiny-llama")
    byte_tokenizer().save_pretrained(folder / "tiny-llama")
    return shown_by(NOTEBOOK, STUDY | {"models": [str(folder / "tiny-llama")], "store": str(folder / "results")})


@pytest.fixture
def follow(monkeypatch, capfd, tmp_path):
    """Runs a line of the page in an empty folder; returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> str:
        program, *arguments = shlex.split(line)
        assert program == PROGRAM
        monkeypatch.setattr(sys, "argv", ["calibprune", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        assert not ended.value.code, err
        return out

    return run


def lines(text: str) -> list[str]:
    """The commands that stand in what the page shows, in order."""
    return re.findall(rf"^ *({re.escape(PROGRAM)} .+)$", text, re.MULTILINE)


def weights(folder) -> dict:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys() if "layers" in name and "proj" in name}  # noqa: SIM118


def test_the_page_begins_with_the_answer_and_offers_every_choice(shown):
    first = shown.splitlines()[1]
    assert re.match("(Quantize|Prune) rather than (prune|quantize) at about|Neither pruning nor quantizing", first)
    assert "against Magnitude 50% (9)" in first and "against Wanda 50% (9)" in first
    assert "German (DE)" in shown and "Swahili (SW)" in shown and "knowledge (accuracy)" in shown
    assert shown.index("In short.") < shown.index("tiny-llama; de; perplexity on chromium; at most 9 bits")
    assert "Rerun it." in shown[shown.index("texts/yo.txt") :]


def test_the_commands_of_the_tables_make_what_they_name(shown, follow, tmp_path):
    found = {tuple(shlex.split(line)[1:2] + shlex.split(line)[5:7]): line for line in lines(shown)}
    pruned, textless, quantized = (
        found["prune", "--method", "wanda"],
        found["prune", "--method", "magnitude"],
        found["quantize", "--method", "gptq"],
    )
    assert "with wanda to 0.5" in follow(pruned)
    held = weights(tmp_path / "pruned")
    assert held and all((weight == 0).float().mean() == pytest.approx(0.5, abs=0.02) for weight in held.values())
    assert "quantized to 8 bits" in follow(quantized) and list((tmp_path / "quantized").glob("*.safetensors"))
    follow(textless.replace("--output pruned", "--output textless"))
    assert (tmp_path / "textless" / "README.md").is_file()


def test_the_worked_example_is_followed_literally(shown, follow, tmp_path):
    """A language that the table does not have, with text written as the first step says."""
    assert LANGUAGE not in LANGUAGES
    example = shown[shown.index("1. Put text of Yoruba") : shown.index("Rerun it.")]
    for code, letters in ((LANGUAGE, "aeiogbs"), (BESIDE, "etnrhld")):
        assert f"`texts/{code}.txt`" in example
        path = tmp_path / "texts" / f"{code}.txt"
        path.parent.mkdir(exist_ok=True)
        texts = (" ".join(letters[place % 7] * (1 + (place * k) % 11) for k in range(120)) for place in range(1, 71))
        path.write_text("\n\n".join(f"{place} {text}" for place, text in enumerate(texts)), encoding="utf-8")
    advise, quantize, prune = lines(example)
    said = follow(advise)
    assert f"calibration for {LANGUAGE}, wanda 0.5" in said
    assert sorted(re.findall(r"│ (yo|en|yo\+en|en\+yo) +│", said)) == ["en", "yo", "yo+en"]
    assert "quantized to 8 bits" in follow(quantize) and (tmp_path / f"quantized-{LANGUAGE}").is_dir()
    assert "pruned with wanda to" in follow(prune) and weights(tmp_path / f"pruned-{LANGUAGE}")
