"""Windows: BOS, determinism, prefixes, shares of mixtures, long and short texts."""

import copy
import itertools

import pytest
import torch
from byte_tokenizer import TOKENIZER, byte_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from calibprune.corpora import corpus
from calibprune.corpora.windows import windows
from calibprune.errors import CorpusError, ParameterError
from calibprune.languages import PAPER_LANGUAGES

BOS = TOKENIZER.bos_token_id


def decoded(window: torch.Tensor) -> str:
    assert window[0] == BOS
    return TOKENIZER.decode(window[1:])


@pytest.fixture
def long_texts(tmp_path):
    """Ten texts in two languages, each of 300 letters of its own."""
    for first, language in ((97, "de"), (65, "en")):
        texts = "\n\n".join(chr(first + i) * 300 for i in range(10))
        (tmp_path / f"{language}.txt").write_text(texts)
    return f"file:{tmp_path}/{{language}}.txt"


@pytest.fixture
def short_texts(tmp_path):
    (tmp_path / "short.txt").write_text(
        "\n\n".join(f"{chr(97 + i)}{chr(97 + j)}" * 5 for i in range(9) for j in range(9))
    )
    return f"file:{tmp_path}/short.txt"


def test_shape_type_and_bos():
    drawn = windows(TOKENIZER, "chromium", ["de"], samples=5, length=32)
    assert drawn.shape == (5, 32)
    assert drawn.dtype == torch.int64
    assert (drawn[:, 0] == BOS).all()
    assert (drawn[:, 1:] != BOS).all()


def test_without_bos_every_token_is_text(long_texts):
    tokenizer = byte_tokenizer(bos_token=None)
    drawn = windows(tokenizer, long_texts, ["de"], samples=3, length=40)
    assert all(len(set(tokenizer.decode(row))) == 1 for row in drawn)


def test_same_draw_again_and_another_with_another_seed_length_language_or_split():
    options = {"samples": 4, "length": 48}
    first = windows(TOKENIZER, "chromium", ["de"], **options, seed=3)
    again = windows(byte_tokenizer(), "chromium", ["de"], **options, seed=3)
    assert torch.equal(first, again)
    for other in (
        windows(TOKENIZER, "chromium", ["de"], **options, seed=4),
        windows(TOKENIZER, "chromium", ["en"], **options, seed=3),
        windows(TOKENIZER, "chromium", ["de"], **options, seed=3, split="validation"),
        windows(TOKENIZER, "chromium", ["de"], samples=4, length=49, seed=3)[:, :48],
    ):
        assert not (first == other).all(1).any()


def test_the_draw_is_the_same_on_every_machine(long_texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the source's name takes part in the draw
    drawn = windows(TOKENIZER, "file:{language}.txt", ["de"], samples=6, length=20, seed=0)
    assert [decoded(row)[0] for row in drawn] == list("dicbfh")


@settings(deadline=None, max_examples=25)
@given(
    fewer=st.integers(2, 12),
    more=st.integers(12, 20),
    length=st.sampled_from([16, 64]),
    seed=st.integers(0, 2**64),
    languages=st.sampled_from([["sw"], ["ar", "en"]]),
)
def test_fewer_samples_are_a_prefix(fewer, more, length, seed, languages):
    large = windows(TOKENIZER, "chromium", languages, more, length, seed, "validation")
    assert torch.equal(windows(TOKENIZER, "chromium", languages, fewer, length, seed, "validation"), large[:fewer])


@pytest.mark.parametrize("samples", [2, 3, 7, 8, 15])
@pytest.mark.parametrize("languages", [["ar", "en"], ["en", "ar"], list(PAPER_LANGUAGES)])
def test_mixtures_share_equally(samples, languages):
    if samples < len(languages):
        with pytest.raises(ParameterError, match=f"samples {samples} for 7 language"):
            windows(TOKENIZER, "chromium", languages, samples, 32)
        return
    drawn = windows(TOKENIZER, "chromium", languages, samples, 32, seed=1)
    shares = []
    for position, language in enumerate(languages):
        own = drawn[position :: len(languages)]
        assert torch.equal(own, windows(TOKENIZER, "chromium", [language], len(own), 32, seed=1))
        shares.append(len(own))
    assert sum(shares) == samples
    assert shares == sorted(shares, reverse=True)
    assert shares[0] - shares[-1] <= 1


def test_long_texts_give_one_window_each_before_a_second(long_texts):
    eight = [decoded(row) for row in windows(TOKENIZER, long_texts, ["de"], samples=8, length=91)]
    assert all(len(window) == 90 and len(set(window)) == 1 for window in eight)
    assert len({window[0] for window in eight}) == 8
    everything = windows(TOKENIZER, long_texts, ["de"], samples=24, length=91)
    assert all(sum(decoded(row)[0] == letter for row in everything) == 3 for letter in "abcdfghi")


def test_windows_of_a_long_text_do_not_overlap(tmp_path):
    texts = ["".join(f"{i:04d}" for i in range(k * 1000, k * 1000 + 250)) for k in range(5)]
    letters = str.maketrans("0123456789", "abcdefghij")
    (tmp_path / "a.txt").write_text("\n\n".join(texts).translate(letters))
    source = f"file:{tmp_path}/a.txt"
    drawn = [decoded(row) for row in windows(TOKENIZER, source, ["de"], 4 * 10, 101)]
    whole = corpus(source, "de")
    spans = sorted((k, text.index(w)) for w in drawn for k, text in enumerate(whole) if w in text)
    assert len(spans) == len(drawn)
    assert all(a[0] != b[0] or b[1] - a[1] >= 100 for a, b in itertools.pairwise(spans))


def test_short_texts_are_joined_by_blank_lines_and_cut(short_texts):
    texts = corpus(short_texts, "de")
    count = (len(texts) * 12 - 2) // 30
    with pytest.raises(CorpusError, match=f"has {count} calibration windows"):
        windows(TOKENIZER, short_texts, ["de"], count + 1, 31, seed=5)
    joined = "".join(decoded(row) for row in windows(TOKENIZER, short_texts, ["de"], count, 31, seed=5))
    *whole, last = joined.split("\n\n")
    assert set(whole) <= set(texts)
    assert len(set(whole)) == len(whole)
    assert any(text.startswith(last.strip("\n")) for text in texts)
    assert whole != texts[: len(whole)]


def test_calibration_and_validation_windows_share_no_text():
    for language in ("en", "zh"):
        calibration, validation = (
            {
                text
                for row in windows(TOKENIZER, "chromium", [language], 40, 500, split=split)
                for text in decoded(row).split("\n\n")[1:-1]
            }
            for split in ("calibration", "validation")
        )
        assert len(calibration) > 40
        assert len(validation) > 40
        assert calibration.isdisjoint(validation)


def test_a_tokenizer_that_is_changed_in_place_reads_anew(tiny_texts):
    tokenizer = byte_tokenizer()
    before = windows(tokenizer, tiny_texts, ["de"], 2, 16)
    tokenizer.add_tokens([tokenizer.decode(before[0, 1:3])])
    after = windows(tokenizer, tiny_texts, ["de"], 2, 16)
    assert torch.equal(after, windows(copy.deepcopy(tokenizer), tiny_texts, ["de"], 2, 16))
    assert not torch.equal(before, after)
