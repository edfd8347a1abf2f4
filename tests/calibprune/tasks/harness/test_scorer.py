"""The Scorer gives what the harness's own HFLM gives, from less arithmetic."""

import logging
import random

import pytest
import torch
from byte_tokenizer import byte_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tiny_models import CONFIGS, tiny

from calibprune.errors import ModelError, ParameterError
from calibprune.tasks.harness import generation, shared_context
from calibprune.tasks.harness.scorer import LONGEST_TEXT, Scorer
from calibprune.tasks.harness.shared_context import Asked, batches, grow, score

CHAT = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{% if add_generation_prompt "
    "%}[answer]{% endif %}"
)


@pytest.fixture(autouse=True)
def silent_harness():
    logging.getLogger("lm_eval").setLevel(logging.CRITICAL)


def tokenizer(**options):
    return byte_tokenizer(**{"eos_token": "</s>", "add_bos_token": True, **options})


def ask(*arguments, kind="loglikelihood") -> Instance:
    return Instance(kind, {}, arguments, 0)


def text(draw: random.Random, length: int) -> str:
    return "".join(draw.choice("abcdefgh  é中\n") for _ in range(length))


def questions(seed: int = 0, longest: int = 50) -> list[Instance]:
    """Contexts from empty to `longest` characters, one ending with a space, each with answers of several tokens, of one
    token, and one doubled.
    """
    draw = random.Random(seed)
    contexts = ["", "ab ", *(text(draw, draw.randrange(1, longest)) for _ in range(9))]
    asked = []
    for context in contexts:
        answers = [text(draw, draw.randrange(1, 6)) for _ in range(3)] + list("xyz") + [" q", "x", "xyz"]
        asked += [ask(context, answer) for answer in answers]
    draw.shuffle(asked)
    return asked


def same(ours: list[tuple[float, bool]], theirs: list[tuple[float, bool]]) -> None:
    assert [greedy for _, greedy in ours] == [greedy for _, greedy in theirs]
    torch.testing.assert_close(
        torch.tensor([x for x, _ in ours]), torch.tensor([x for x, _ in theirs]), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("bos", [True, False])
def test_log_likelihoods_are_those_of_the_harness(family, bos):
    """Contexts reach beyond the sliding windows of 8 tokens, and answers begin beyond them."""
    model, tokens = tiny(family), tokenizer(add_bos_token=bos)
    asked = questions()
    theirs = HFLM(pretrained=model, tokenizer=tokens).loglikelihood(asked, disable_tqdm=True)
    same(Scorer(model, tokens).loglikelihood(asked), theirs)


def test_greedy_answers_are_known_as_such():
    """Each context's own greedy continuation among the answers, so that the flag is not always false."""
    model, tokens = tiny("gemma3_text"), tokenizer()
    theirs, ours = HFLM(pretrained=model, tokenizer=tokens), Scorer(model, tokens)
    encoded = {context: tokens.encode(context) for context in ("abc", "abd", "e")}
    asked = []
    for context, prompt in encoded.items():
        for _ in range(4):
            prompt = [*prompt, int(model(torch.tensor([prompt])).logits[0, -1].argmax())]
        asked.append((("", ""), encoded[context], prompt[len(encoded[context]) :]))
        asked.append((("", ""), encoded[context], [*prompt[len(encoded[context]) : -1], 7]))
    found = ours._loglikelihood_tokens(asked)
    same(found, theirs._loglikelihood_tokens(asked, disable_tqdm=True))
    assert [greedy for _, greedy in found] == [True, False] * 3


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "mistral"])
def test_too_long_sequences_lose_their_beginning(family):
    model, tokens = tiny(family), tokenizer()
    asked = questions(longest=120)
    ours, theirs = Scorer(model, tokens), HFLM(pretrained=model, tokenizer=tokens)
    assert ours.max_length == theirs.max_length == 64
    same(ours.loglikelihood(asked), theirs.loglikelihood(asked, disable_tqdm=True))
    shorter = [
        Side(model, tokens, max_length=20)
        for Side in (Scorer, lambda m, t, **more: HFLM(pretrained=m, tokenizer=t, **more))
    ]
    same(shorter[0].loglikelihood(asked), shorter[1].loglikelihood(asked, disable_tqdm=True))


def test_an_answer_that_begins_with_the_beginning_of_text():
    model, tokens = tiny("llama"), tokenizer()
    asked = [ask("", "<s>ab"), ask("<s>a", "b"), ask("a", "<s>b"), ask("  ", "ab")]
    # the first two are one sequence with two beginnings of the answer, which the harness's cache of logits takes for
    # one
    theirs = HFLM(pretrained=model, tokenizer=tokens, logits_cache=False)
    same(Scorer(model, tokens).loglikelihood(asked), theirs.loglikelihood(asked, disable_tqdm=True))


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "cohere2"])
def test_rolling_log_likelihoods_are_those_of_the_harness(family):
    model, tokens = tiny(family), tokenizer()
    draw = random.Random(3)
    asked = [ask(text(draw, length), kind="loglikelihood_rolling") for length in (0, 1, 30, 62, 63, 64, 65, 200)]
    ours = Scorer(model, tokens).loglikelihood_rolling(asked)
    theirs = HFLM(pretrained=model, tokenizer=tokens).loglikelihood_rolling(asked, disable_tqdm=True)
    torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=1e-6, atol=1e-4)


SEQUENCES = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=12).map(tuple), min_size=1, max_size=12, unique=True
)


@given(SEQUENCES, st.integers(0, 60))
def test_trees_hold_every_sequence_and_nothing_else(sequences, worth):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shared_context, "WORTH", worth)
        trees = grow(sequences)
    assert sorted(number for tree in trees for number, _ in tree.members) == list(range(len(sequences)))
    for tree in trees:
        size = len(tree.tokens)
        assert len({place for _, path in tree.members for place in path}) == size == len(tree.depths) == len(tree.ends)
        for number, path in tree.members:
            assert tuple(tree.tokens[place] for place in path) == sequences[number]
            assert [tree.depths[place] for place in path] == list(range(len(path)))
            last = path[-1]
            assert [place for place in range(last + 1) if last < tree.ends[place]] == path  # what the last token sees
        assert tree.branches or tree.depths == list(range(size))
    assert sum(len(tree.tokens) for tree in trees) <= sum(map(len, sequences))


@given(SEQUENCES, st.integers(1, 40))
def test_batches_hold_every_tree_once_and_little_padding(sequences, batch_tokens):
    trees = grow(sequences)
    found = list(batches(trees, batch_tokens))
    assert sorted(id(tree) for batch in found for tree in batch) == sorted(map(id, trees))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(len(tree.tokens) for tree in batch) <= batch_tokens


TINY = tiny("gemma3_text")


@settings(max_examples=20, deadline=None)
@given(SEQUENCES, st.data())
def test_a_score_does_not_depend_on_what_it_is_computed_with(sequences, data):
    asked = [Asked(sequence, sequence[-data.draw(st.integers(1, len(sequence))) :]) for sequence in sequences]
    together = score(TINY, asked)
    alone = [score(TINY, [one])[0] for one in asked]
    same(together, alone)


@pytest.fixture
def work(monkeypatch):
    """How many tokens went through the decoder, and how many positions through the output layer."""
    counts = {"tokens": 0, "positions": 0}
    states, losses = shared_context.final_states, shared_context.answer_losses

    def counted_states(model, trees):
        counts["tokens"] += sum(len(tree.tokens) for tree in trees)
        return states(model, trees)

    def counted_losses(model, states, rows, targets):
        counts["positions"] += len(states)
        return losses(model, states, rows, targets)

    monkeypatch.setattr(shared_context, "final_states", counted_states)
    monkeypatch.setattr(shared_context, "answer_losses", counted_losses)
    return counts


def test_a_context_is_computed_once_for_all_its_answers(work):
    scorer = Scorer(tiny("llama"), tokenizer())
    context = "a" * 40
    scorer.loglikelihood([ask(context, answer) for answer in ("bcd", "bce", "fgh")])
    # BOS; "bc" is shared too; no answer's last token is an input
    assert work == {"tokens": 1 + 40 + 2 + 2, "positions": 1 + 2 + 2}


def test_one_letter_answers_need_one_position(work):
    scorer = Scorer(tiny("llama"), tokenizer())
    scorer.loglikelihood([ask(context, letter) for context in ("aaaa", "bbbb") for letter in "ABCD"])
    assert work["positions"] == 2


def test_a_passage_is_computed_once_for_all_its_questions(work):
    scorer = Scorer(tiny("llama"), tokenizer())
    passage = "p" * 30
    scorer.loglikelihood([ask(passage + question, "x") for question in ("first", "other", "third")])
    assert work["tokens"] == 1 + 30 + 3 * 5


def test_equal_requests_are_computed_once(work):
    scorer = Scorer(tiny("llama"), tokenizer())
    once = scorer.loglikelihood([ask("abc", "defg")])
    before = dict(work)
    assert scorer.loglikelihood([ask("abc", "defg")] * 5) == once * 5
    assert work == {key: 2 * value for key, value in before.items()}


def test_long_sequences_that_share_half_stand_in_one_tree():
    draw = random.Random(0)
    passage = (256, *(draw.randrange(256) for _ in range(99)))
    (tree,) = grow([passage + tuple(draw.randrange(256) for _ in range(100)) for _ in range(6)])
    assert len(tree.tokens) == 100 + 6 * 100


def test_unrelated_long_contexts_stand_in_trees_of_their_own():
    """Attention has the square of a tree's size: what shares one BOS is not worth it."""
    draw = random.Random(0)
    sequences = [(256, *(draw.randrange(256) for _ in range(400))) for _ in range(6)]
    assert [len(tree.members) for tree in grow(sequences)] == [1] * 6


def generated(until=("\n",), most=12, **more):
    return {"until": list(until), "max_gen_toks": most, "do_sample": False, **more}


@pytest.mark.parametrize("family", CONFIGS)
def test_generated_answers_are_those_of_the_harness(family):
    """Prompts of many lengths, longer than the sliding window and than the model reads, in one batch; stop strings of
    several tokens.
    """
    model, tokens = tiny(family), tokenizer()
    draw = random.Random(1)
    prompts = [text(draw, length) for length in (1, 3, 9, 9, 20, 33, 47, 48, 49, 60, 90)]
    free = Scorer(model, tokens).generate_until(
        [ask(prompt, generated(()), kind="generate_until") for prompt in prompts]
    )
    stops = [free[0][3], free[4][2:4], "</s>"]  # of which some texts have some
    asked = [
        ask(prompt, settings, kind="generate_until")
        for prompt in [*prompts, prompts[2]]
        for settings in (generated(stops), generated((), 5))
    ]
    ours = Scorer(model, tokens).generate_until(asked)
    theirs = HFLM(pretrained=model, tokenizer=tokens).generate_until(asked, disable_tqdm=True)
    assert ours == theirs
    assert len(set(map(len, ours))) > 3


def test_a_text_that_is_complete_leaves_the_batch(monkeypatch):
    model, rows = tiny("gemma3_text"), []
    most_probable = generation.most_probable
    monkeypatch.setattr(
        generation, "most_probable", lambda model, states: rows.append(len(states)) or most_probable(model, states)
    )
    prompts = [[256, *range(n, 2 * n)] for n in (2, 5, 11)]
    whole = generation.continuations(model, prompts, 6, lambda texts: [False] * len(texts))
    assert rows == [3] * 6
    rows.clear()
    limits = {tuple(text[:1]): limit for text, limit in zip(whole, (1, 4, 6), strict=True)}
    assert len(limits) == 3, "the example's texts begin alike"
    some = generation.continuations(
        model, prompts, 6, lambda texts: [len(text) == limits[tuple(text[:1])] for text in texts]
    )
    assert rows == [3, 2, 2, 2, 1, 1]
    assert some == [whole[0][:1], whole[1][:4], whole[2]]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("a\n\n", True),
        ("a\n", False),
        ("a\n\nb", True),
        ("中é", True),
        ("中", False),
        ("é", False),
        ("a</s>", True),
        ("", False),
    ],
)
def test_a_text_is_complete_when_it_has_a_stop_string_or_ends(text, complete):
    """A stop string may be several tokens, here one a byte, and need not be the very last ones."""
    scorer = Scorer(tiny("llama"), tokenizer())
    written = scorer.tokenizer.encode("long before " + text, add_special_tokens=False)
    assert scorer._finished(("\n\n", "中é", ""))([written, written[:3]]) == [complete, False]


def test_texts_end_with_the_end_of_text():
    """The token that ends texts is among the most probable ones: whatever follows it must not be read."""
    model, tokens = tiny("llama", tie_word_embeddings=False), tokenizer()
    model.lm_head.weight[257] = model.lm_head.weight[:256].mean(0) + 0.3 * torch.randn(
        32, generator=torch.Generator().manual_seed(0)
    )
    asked = [ask("a" * n, generated((), 30), kind="generate_until") for n in range(1, 12)]
    ours = Scorer(model, tokens).generate_until(asked)
    assert ours == HFLM(pretrained=model, tokenizer=tokens).generate_until(asked, disable_tqdm=True)
    lengths = {len(tokens.encode(text)) for text in ours}
    assert min(lengths) < 20, "the example never ends"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (generated(most=LONGEST_TEXT + 1), "max_gen_toks is 1025"),
        (generated(most=64), "max_gen_toks is 64; choose 1 to 63"),
        (generated(most=0), "max_gen_toks is 0"),
        (generated() | {"do_sample": True, "temperature": 0.7}, "set do_sample"),
        ({"until": ["\n"], "temperature": 0.7}, "set do_sample"),
        (generated(num_beams=4), "set num_beams"),
    ],
)
def test_generation_that_cannot_be_done_is_refused(settings, what):
    request = Instance("generate_until", {}, ("abc", settings), 0, metadata=("quiz", 0, 1))
    with pytest.raises(ParameterError, match=what) as caught:
        Scorer(tiny("llama"), tokenizer()).generate_until([request])
    assert str(caught.value).startswith("task quiz: ") and "\n" not in str(caught.value)


def test_a_text_that_never_stops_is_as_long_as_allowed():
    texts = generation.continuations(tiny("llama"), [[256, 1]], 50, lambda texts: [False])
    assert [len(text) for text in texts] == [50]


@pytest.mark.parametrize(("context", "answer"), [("abc", ""), ("", "")])
def test_empty_answers_are_refused(context, answer):
    request = Instance("loglikelihood", {}, (context, answer), 0, metadata=("quiz", 0, 1))
    with pytest.raises(ParameterError, match="task quiz: an answer is empty"):
        Scorer(tiny("llama"), tokenizer()).loglikelihood([request])


@pytest.mark.parametrize(
    ("context", "answer", "bos", "what"),
    [
        ("x", "abcdefghi", True, r"9 tokens after 2 of context, \('x', 'abcdefghi'\); needed are 1 to 8"),
        ("", "<s>", True, "0 tokens after 1 of context"),
        (" ", "a", False, "2 tokens after 0 of context"),
    ],
)
def test_answers_that_cannot_be_scored_are_refused(context, answer, bos, what):
    scorer = Scorer(tiny("llama"), tokenizer(add_bos_token=bos), max_length=8)
    request = Instance("loglikelihood", {}, (context, answer), 0, metadata=("quiz", 0, 1))
    with pytest.raises(ParameterError, match=f"task quiz: {what}"):
        scorer.loglikelihood([ask("a", "b"), request])


def test_a_damaged_model_has_no_scores():
    model = tiny("llama")
    model.model.norm.weight[0] = torch.nan
    scorer = Scorer(model, tokenizer())
    with pytest.raises(ModelError, match="not finite"):
        scorer.loglikelihood([ask("a", "b")])
    with pytest.raises(ModelError, match="not finite"):
        scorer.generate_until([ask("a", generated(), kind="generate_until")])


def test_chat_templates_are_those_of_the_harness():
    model, talk = tiny("llama"), [{"role": "user", "content": "question"}]
    with_template, without = tokenizer(chat_template=CHAT), tokenizer()
    ours, theirs = Scorer(model, with_template), HFLM(pretrained=model, tokenizer=with_template)
    assert ours.apply_chat_template(talk) == theirs.apply_chat_template(talk) == "[user]question[answer]"
    assert ours.chat_template(True) == theirs.chat_template(True) == CHAT
    assert ours.tokenizer_name == theirs.tokenizer_name
    with pytest.raises(ModelError, match="no chat template"):
        Scorer(model, without).apply_chat_template(talk)


def test_the_weights_are_not_copied_and_nothing_is_printed(capfd):
    model = tiny("gemma3_text")
    logging.getLogger("lm_eval").setLevel(logging.WARNING)
    scorer = Scorer(model, tokenizer())
    scorer.loglikelihood(questions())
    scorer.loglikelihood_rolling([ask("a" * 100, kind="loglikelihood_rolling")])
    scorer.generate_until([ask("a" * 100, generated(), kind="generate_until")])
    assert scorer.model is model
    assert capfd.readouterr() == ("", "")


def test_other_architectures_are_refused():
    import transformers

    config = transformers.GPT2Config(vocab_size=260, n_embd=8, n_layer=1, n_head=1)
    with pytest.raises(ModelError, match="'gpt2' is not supported"):
        Scorer(transformers.GPT2LMHeadModel(config), tokenizer())


def test_progress_ends_with_everything_done():
    seen = []
    scorer = Scorer(tiny("llama"), tokenizer(), progress=lambda done, total: seen.append((done, total)))
    scorer.loglikelihood(questions())
    done, total = zip(*seen, strict=True)
    assert list(done) == sorted(done) and done[-1] == total[-1] == total[0]


def test_in_16_bits_scores_are_close_to_those_in_float32():
    exact, rounded = tiny("gemma3_text"), tiny("gemma3_text", dtype=torch.bfloat16)
    asked = questions()
    a, b = (torch.tensor([x for x, _ in Scorer(model, tokenizer()).loglikelihood(asked)]) for model in (exact, rounded))
    assert float((a - b).abs().max()) < 0.05 * float(a.abs().max())


@pytest.mark.gemma
def test_the_real_model_gives_the_answers_that_the_harness_gives(gemma, monkeypatch):
    """Ten questions whose answers are not nearly ties, in bfloat16, where the harness rounds its sums to one part in
    256.
    """
    import calibprune

    messages = [
        words for text in calibprune.corpus("chromium", "en", "validation") if len(words := text.split()) >= 12
    ][:40]
    ends = [" " + " ".join(words[len(words) // 2 :]) for words in messages]
    asked = [
        ask(" ".join(words[: len(words) // 2]), ends[(i + 7 * k) % 40])
        for i, words in enumerate(messages[:10])
        for k in range(4)
    ]
    ours = torch.tensor([x for x, _ in Scorer(*gemma).loglikelihood(asked)]).view(10, 4)
    theirs = torch.tensor(
        [x for x, _ in HFLM(pretrained=gemma[0], tokenizer=gemma[1]).loglikelihood(asked, disable_tqdm=True)]
    ).view(10, 4)
    assert ours.argmax(1).tolist() == theirs.argmax(1).tolist()
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.5)
    assert (ours.argmax(1) == 0).sum() >= 4  # chance would give 2 or 3
