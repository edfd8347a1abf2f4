"""Windows that cannot be drawn, what is said then, and what is not tokenised twice."""

import re

import numpy as np
import pytest
import torch
from byte_tokenizer import TOKENIZER, byte_tokenizer
from transformers import PreTrainedTokenizerFast

from calibprune.corpora.windows import count_tokens, windows
from calibprune.errors import CorpusError, ParameterError


@pytest.fixture
def long_texts(tmp_path):
    """Ten texts in two languages, each of 300 letters of its own."""
    for first, language in ((97, "de"), (65, "en")):
        texts = "\n\n".join(chr(first + i) * 300 for i in range(10))
        (tmp_path / f"{language}.txt").write_text(texts)
    return f"file:{tmp_path}/{{language}}.txt"


def test_too_little_text_says_how_much_there_is(long_texts):
    with pytest.raises(CorpusError) as caught:
        windows(TOKENIZER, long_texts, ["de"], samples=25, length=91, split="calibration")
    message = str(caught.value)
    assert message.startswith(f"{long_texts} has 24 calibration windows of 91 tokens in de, 25 are asked for: ask for")
    assert "\n" not in message
    with pytest.raises(CorpusError, match="has 0 validation windows of 5000 tokens in en, 3 are asked for"):
        windows(TOKENIZER, long_texts, ["de", "en"][::-1], samples=6, length=5000, split="validation")


def test_the_error_tells_how_many_can_be_drawn():
    with pytest.raises(CorpusError, match=r"has \d+ validation windows") as caught:
        windows(TOKENIZER, "chromium", ["zh"], 10**6, 200, seed=2, split="validation")
    count = int(re.search(r"has (\d+)", str(caught.value))[1])
    assert len(windows(TOKENIZER, "chromium", ["zh"], count, 200, seed=2, split="validation")) == count
    with pytest.raises(CorpusError, match=f"has {count} validation windows"):
        windows(TOKENIZER, "chromium", ["zh"], count + 1, 200, seed=2, split="validation")


def test_count_of_tokens(long_texts):
    assert count_tokens(TOKENIZER, long_texts, "de") == 8 * 300
    assert count_tokens(TOKENIZER, long_texts, "de", "validation") == 2 * 300


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length": 1}, "window length 1: "),
        ({"length": 2.5}, "window length 2.5"),
        ({"length": None}, "window length None"),
        ({"length": True}, "window length True"),
        ({"samples": 0}, "samples 0"),
        ({"samples": 1.0}, "samples 1.0"),
        ({"seed": -1}, "seed -1"),
        ({"seed": "0"}, "seed '0'"),
        ({"languages": []}, "languages []"),
        ({"languages": "de"}, "languages 'de'"),
        ({"languages": None}, "languages None"),
        ({"languages": [["de"]]}, "language ['de'] is no code"),
        ({"languages": 5}, "languages 5"),
        ({"tokenizer": None}, "tokenizer: give one from calibprune.load, not NoneType"),
        ({"tokenizer": "gemma3-270m"}, "tokenizer: give one from calibprune.load, not str"),
        ({"length": np.array([16])}, "window length array([16])"),
        ({"source": None}, "unknown text source None"),
        ({"languages": ["de", "de"]}, "each once"),
        ({"languages": ["xx"]}, "chromium has no text in 'xx'"),
        ({"source": "wiki"}, "'wiki': choose one of chromium"),
        ({"split": "train"}, "'train': choose one of calibration, validation"),
    ],
)
def test_bad_parameters(change, words):
    good = {"tokenizer": TOKENIZER, "source": "chromium", "languages": ["de"], "samples": 2, "length": 16}
    with pytest.raises(ParameterError) as caught:
        windows(**{**good, **change})
    assert words in str(caught.value)


@pytest.mark.parametrize("number", [np.int8, np.int32, np.uint8, np.int64])
def test_numbers_of_numpy_are_as_good(long_texts, number):
    expected = windows(TOKENIZER, long_texts, ["de", "en"], 5, 100, 3)
    for languages in (["de", "en"], ("de", "en"), np.array(["de", "en"])):
        drawn = windows(TOKENIZER, long_texts, languages, number(5), number(100), number(3))
        assert torch.equal(drawn, expected)


def test_far_more_samples_than_there_are(long_texts):
    with pytest.raises(CorpusError, match="has 24 calibration windows"):
        windows(TOKENIZER, long_texts, ["de"], 10**15, 91)


def test_a_mixture_of_one_text(tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join(chr(97 + i) * 300 for i in range(10)))
    with pytest.raises(ParameterError, match="one text for de and en: write"):
        windows(TOKENIZER, f"file:{tmp_path}/a.txt", ["de", "en"], 4, 20)


def test_window_longer_than_the_tokenizer_allows(long_texts):
    tokenizer = byte_tokenizer(model_max_length=64)
    assert windows(tokenizer, long_texts, ["de"], 1, 64).shape == (1, 64)
    with pytest.raises(ParameterError, match="window length 65: the tokenizer's model takes at most 64 tokens"):
        windows(tokenizer, long_texts, ["de"], 1, 65)


def test_seeds_and_lengths_tokenise_nothing_anew(long_texts):
    calls = []

    class Counting(PreTrainedTokenizerFast):
        def __call__(self, texts, **options):
            calls.append(len(texts))
            return super().__call__(texts, **options)

    tokenizer = Counting(tokenizer_object=byte_tokenizer().backend_tokenizer, bos_token="<s>")
    for seed in range(3):
        for length in (20, 30):
            windows(tokenizer, long_texts, ["de"], 8, length, seed)
    assert sum(calls) == 8 + 1  # the texts and the blank line


def test_an_edited_file_gives_other_windows(long_texts, tmp_path):
    before = windows(TOKENIZER, long_texts, ["de"], 4, 20)
    (tmp_path / "de.txt").write_text("\n\n".join(chr(1072 + i) * 300 for i in range(10)))
    assert not torch.equal(before, windows(TOKENIZER, long_texts, ["de"], 4, 20))
