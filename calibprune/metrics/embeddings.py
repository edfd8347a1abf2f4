"""Sentence embeddings of parallel text: what Section 5.1 compares between languages, and between a model and its pruned
copy.
"""

import torch
from torch import Tensor, nn

from calibprune.corpora import SOURCES, corpus, find_kind
from calibprune.errors import ParameterError, quoted
from calibprune.models.families import context_length, decoder, device_of, evaluating
from calibprune.models.soundness import check_computable
from calibprune.walk.inputs import BATCH_TOKENS
from calibprune.walk.outputs import check_tokens, layer_outputs


def parallel_texts(source: str, languages: list[str], samples: int) -> dict[str, list[str]]:
    """The first `samples` texts of a source's validation split in every language; those of one place are translations
    of one another.

    Of `file:` sources that is for their maker to see to; here only their numbers are compared.

    Raises:
        ParameterError: a source whose languages differ in number of texts, or with fewer texts than asked for.
        CorpusError: text that cannot be read.
    """
    if not find_kind(source).parallel:
        known = [name for name, kind in SOURCES.items() if kind.parallel and kind.alone]
        raise ParameterError(
            f"parallel_source {source}: its texts are not translations of one another; choose one of {', '.join(known)}"
        )
    texts = {language: corpus(source, language, "validation") for language in languages}
    counts = {language: len(found) for language, found in texts.items()}
    usual = max(counts.values(), key=list(counts.values()).count)
    if unlike := [f"{language} has {count}" for language, count in counts.items() if count != usual]:
        raise ParameterError(
            f"parallel_source {source}: {usual} texts in most languages, but {', '.join(unlike)}, so they are not "
            f"parallel; leave these languages out, or choose another source"
        )
    if (there := min(counts.values())) < samples:
        raise ParameterError(
            f"parallel_samples {samples}: {source} has {there} parallel texts in its validation split; "
            f"ask for at most {there}"
        )
    return {language: found[:samples] for language, found in texts.items()}


@torch.no_grad()
def sentence_embeddings(model: nn.Module, tokenizer, texts: list[str]) -> Tensor:
    """The mean over a text's tokens of each decoder layer's output (Appendix D.2.2 of the paper), without BOS and other
    special tokens. The model is in evaluation mode meanwhile.

    Each text is a sequence of its own, with BOS before it where the tokenizer has one; texts longer than the model's
    context are cut there. Batches hold about 2,048 tokens of texts of similar length, filled up on the right: a causal
    decoder's tokens never see what comes after them, so no mask is needed.

    Args:
        texts: at least one, none of them without a token.

    Returns:
        float32 [layers, texts, width], on the CPU.

    Raises:
        ParameterError: a text without tokens, or with tokens that the model has no embedding for. ModelError: a model
        that cannot be computed with.
    """
    decoder(model)
    check_computable(model)
    with evaluating(model):
        return _sentence_embeddings(model, tokenizer, texts)


def _sentence_embeddings(model: nn.Module, tokenizer, texts: list[str]) -> Tensor:
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    longest = context_length(model) - len(start)
    encoded = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    if empty := [text for text, ids in zip(texts, encoded, strict=True) if not ids]:
        raise ParameterError(f"text {quoted(empty[0])}: has no tokens; leave it out")
    sequences = [start + list(ids)[:longest] for ids in encoded]
    check_tokens(model, 0, max(map(max, sequences)))
    found = torch.empty(len(decoder(model).layers), len(texts), model.config.hidden_size)
    order = sorted(range(len(texts)), key=lambda place: len(sequences[place]))
    while order:
        length = len(sequences[order[-1]])  # the longest first: memory that suffices for them suffices for all
        batch, order = order[-max(1, BATCH_TOKENS // length) :], order[: -max(1, BATCH_TOKENS // length)]
        tokens = torch.zeros(len(batch), length, dtype=torch.long)
        share = torch.zeros(len(batch), 1, length)  # what each token counts in the mean
        for row, place in enumerate(batch):
            sequence = sequences[place]
            tokens[row, : len(sequence)] = torch.tensor(sequence)
            share[row, 0, len(start) : len(sequence)] = 1 / (len(sequence) - len(start))
        share = share.to(device_of(model))
        outputs = layer_outputs(model, tokens.to(device_of(model)))
        for layer in range(len(found)):
            found[layer, batch] = torch.bmm(share, next(outputs).float()).squeeze(1).cpu()
    return found
