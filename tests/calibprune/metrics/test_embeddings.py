"""Sentence embeddings against hidden states of transformers, one text at a time; parallel texts stay parallel."""

import pytest
import reference
import torch
from byte_tokenizer import TOKENIZER, byte_tokenizer
from tiny_models import CONFIGS, tiny

from calibprune import corpora
from calibprune.corpora import corpus
from calibprune.errors import ParameterError
from calibprune.languages import PAPER_LANGUAGES
from calibprune.metrics import embeddings
from calibprune.metrics.embeddings import parallel_texts, sentence_embeddings

TEXTS = ["a", "Zwei kurze Worte", "tatu", "Ein etwas längerer Satz, der nicht in 48 passt.", "b c d", "四"]


def plainly(model, tokenizer, texts) -> torch.Tensor:
    """One text at a time through transformers, BOS before it where there is one, and a mean over the rest."""
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    found = []
    for text in texts:
        ids = (start + tokenizer(text, add_special_tokens=False)["input_ids"])[: model.config.max_position_embeddings]
        states = reference.layer_states(model, torch.tensor([ids]))
        found.append(torch.stack([state[0, len(start) :].float().mean(dim=0) for state in states]))
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("tokenizer", [TOKENIZER, byte_tokenizer(bos_token=None)], ids=["with BOS", "without"])
@pytest.mark.parametrize("family", CONFIGS)
def test_the_mean_over_the_tokens_of_each_text(family, tokenizer):
    model = tiny(family)
    found = sentence_embeddings(model, tokenizer, TEXTS)
    assert (found.dtype, found.shape) == (torch.float32, (model.config.num_hidden_layers, len(TEXTS), 32))
    torch.testing.assert_close(found, plainly(model, tokenizer, TEXTS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["gemma3_text", "cohere2", "llama"])
@pytest.mark.parametrize("tokens", [1, 40, 100])
def test_it_does_not_depend_on_the_batches(family, tokens, monkeypatch):
    model = tiny(family)
    expected = sentence_embeddings(model, TOKENIZER, TEXTS)
    order = [4, 1, 5, 0, 3, 2]
    monkeypatch.setattr(embeddings, "BATCH_TOKENS", tokens)
    found = sentence_embeddings(model, TOKENIZER, [TEXTS[i] for i in order])
    torch.testing.assert_close(found, expected[:, order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["gemma3_text", "llama"])
def test_in_16_bits(family):
    """Through this package's attention and norms, texts of one token among them."""
    model = tiny(family, dtype=torch.bfloat16)
    tokenizer = byte_tokenizer(bos_token=None)
    torch.testing.assert_close(
        sentence_embeddings(model, tokenizer, TEXTS), plainly(model, tokenizer, TEXTS), rtol=0.05, atol=0.1
    )
    torch.testing.assert_close(
        sentence_embeddings(model, tokenizer, ["a"]), plainly(model, tokenizer, ["a"]), rtol=0.05, atol=0.1
    )


def test_long_texts_are_cut_at_the_context():
    model = tiny("llama")
    text = "".join(chr(97 + i % 26) for i in range(200))
    fits = model.config.max_position_embeddings - 1  # and BOS
    torch.testing.assert_close(
        sentence_embeddings(model, TOKENIZER, [text]), sentence_embeddings(model, TOKENIZER, [text[:fits]])
    )
    assert not torch.allclose(
        sentence_embeddings(model, TOKENIZER, [text]), sentence_embeddings(model, TOKENIZER, [text[: fits - 1]])
    )


def test_a_text_without_tokens():
    with pytest.raises(ParameterError, match="no tokens"):
        sentence_embeddings(tiny("llama"), TOKENIZER, ["a", ""])


@pytest.mark.parametrize("samples", [1, 200, 530])
def test_parallel_messages(samples):
    """At least 200 a language; at each place the same message."""
    found = parallel_texts("chromium", list(PAPER_LANGUAGES), samples)
    assert {language: len(texts) for language, texts in found.items()} == dict.fromkeys(PAPER_LANGUAGES, samples)
    messages = [texts for texts, held_out in corpora.chromium.messages().values() if held_out]
    together = {tuple(texts[language] for language in PAPER_LANGUAGES) for texts in messages}
    rows = list(zip(*(found[language] for language in PAPER_LANGUAGES), strict=True))
    assert set(rows) <= together
    assert len(set(rows)) == samples


def test_fewer_samples_are_the_first_of_more_and_never_calibrate():
    few, more = (parallel_texts("chromium", ["de", "sw"], samples) for samples in (10, 50))
    assert all(more[language][:10] == few[language] for language in few)
    assert not set(more["de"]) & set(corpus("chromium", "de", "calibration"))


def test_more_than_there_are():
    with pytest.raises(ParameterError, match=r"1000000: chromium has \d+ parallel texts"):
        parallel_texts("chromium", ["de", "sw"], 1_000_000)


def test_sources_that_are_not_parallel(tmp_path):
    with pytest.raises(ParameterError, match="not translations of one another"):
        parallel_texts("mc4", ["de", "sw"], 5)
    for language, number in (("de", 40), ("sw", 30)):
        (tmp_path / f"{language}.txt").write_text(
            "\n\n".join(language + chr(97 + i % 26) * (1 + i // 26) for i in range(number))
        )
    with pytest.raises(ParameterError, match="not parallel"):
        parallel_texts(f"file:{tmp_path}/{{language}}.txt", ["de", "sw"], 5)
    with pytest.raises(ParameterError, match="unknown text source 'nowhere'"):
        parallel_texts("nowhere", ["de"], 5)


def test_a_model_in_training_mode_gives_the_same():
    model = tiny("llama", attention_dropout=0.5)
    expected = sentence_embeddings(model, TOKENIZER, ["one text", "another"])
    model.train()
    assert torch.equal(sentence_embeddings(model, TOKENIZER, ["one text", "another"]), expected)
    assert model.training


def test_tokens_that_the_model_does_not_know():
    with pytest.raises(ParameterError, match="^token 256: LlamaForCausalLM knows tokens 0 to 199"):
        sentence_embeddings(tiny("llama", vocab_size=200, bos_token_id=None), TOKENIZER, ["one text"])
