"""Throughput of the Scorer against the harness's own HFLM, Gemma 3 270M, on the same questions in one run: `python
benchmarks/tasks.py`.

Three four-way tasks: endings of interface messages, endings of an article after a long context, and one with the
letters A to D for answers. Medians of --repeats runs a side, the sides taking turns; the target is three times HFLM's
throughput at its default batch size, which is 1. HFLM rounds its sums to the model's dtype, so answers that nearly tie
may be ranked otherwise in bfloat16; `--dtype float32` shows ranks where neither side rounds.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

import calibprune as cp
from calibprune.tasks.harness.scorer import Scorer, quiet_harness

TARGET = 3.0
LETTERS = "ABCD"


class Question(NamedTuple):
    context: str
    answers: list[str]
    right: int


def endings(count: int, language: str) -> list[Question]:
    """How an interface message goes on, after three others."""
    messages = [text for text in cp.corpus("chromium", language, "validation") if len(text.split()) >= 10]
    return _halves(messages, count, "\n", 3)


def passages(count: int, language: str) -> list[Question]:
    """How a paragraph of the Declaration of Human Rights goes on, after thirty others."""
    paragraphs = [text for split in cp.corpora.SPLITS for text in cp.corpus("udhr", language, split)]
    return _halves([text for text in paragraphs if len(text.split()) >= 10], count, "\n\n", 30)


def _halves(texts: list[str], count: int, between: str, before: int) -> list[Question]:
    """Second halves of `count` texts, each among those of three others."""
    draw = random.Random(0)
    draw.shuffle(texts)
    words = [text.split() for text in texts[:count]]
    ends = [" " + " ".join(text[len(text) // 2 :]) for text in words]
    asked = []
    for number, text in enumerate(words):
        answers = [ends[number], *draw.sample([end for end in ends if end != ends[number]], 3)]
        draw.shuffle(answers)
        context = between.join([*draw.sample(texts, before), " ".join(text[: len(text) // 2])])
        asked.append(Question(context, answers, answers.index(ends[number])))
    return asked


def letters(count: int, language: str) -> list[Question]:
    """The endings once more, named by letters."""
    asked = []
    for context, answers, right in endings(count, language):
        options = "\n".join(f"{letter}.{answer}" for letter, answer in zip(LETTERS, answers, strict=True))
        asked.append(Question(f"{context} …\n{options}\nAnswer:", [f" {letter}" for letter in LETTERS], right))
    return asked


# and by what the number of questions is divided
TASKS = {"endings": (endings, 1), "passages": (passages, 4), "letters": (letters, 1)}


def chosen_answers(scores: list[tuple[float, bool]], questions: list[Question]) -> list[tuple[int, int]]:
    """For each question the answer with the highest log-likelihood, and that with the highest by character."""
    rest, found = iter(scores), []
    for question in questions:
        sums = [next(rest)[0] for _ in question.answers]
        means = [value / len(answer) for value, answer in zip(sums, question.answers, strict=True)]
        found.append((sums.index(max(sums)), means.index(max(means))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--questions", type=int, default=40, help="a quarter of them with long contexts")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS)
    parser.add_argument("--batch-sizes", nargs="*", type=int, default=[1, 8], help="of HFLM")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--language", default="en")
    chosen = parser.parse_args()
    model, tokenizer = cp.load("gemma3-270m", dtype=chosen.dtype)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {model.dtype}, {chosen.repeats} repeats")
    for name in chosen.tasks:
        make, share = TASKS[name]
        questions = make(max(4, chosen.questions // share), chosen.language)
        requests = [
            Instance("loglikelihood", {}, (q.context, answer), i)
            for q in questions
            for i, answer in enumerate(q.answers)
        ]
        with quiet_harness():
            peers = [HFLM(pretrained=model, tokenizer=tokenizer, batch_size=size) for size in chosen.batch_sizes]
            ours, *theirs = (_run(side, requests) for side in (Scorer(model, tokenizer), *peers))
            sides = turns([ours, *theirs], chosen.repeats)
        found = [chosen_answers(scores, questions) for _, scores in sides]
        tokens = statistics.mean(len(tokenizer.encode(q.context)) for q in questions)
        print(
            f"{name}: {len(questions)} questions of {tokens:.0f} tokens, 4 answers each; ours takes {sides[0][0]:.2f} s"
        )
        for size, (seconds, scores), answers in zip(chosen.batch_sizes, sides[1:], found[1:], strict=True):
            alike = [sum(a[kind] == b[kind] for a, b in zip(found[0], answers, strict=True)) for kind in (0, 1)]
            apart = max(abs(a[0] - b[0]) for a, b in zip(sides[0][1], scores, strict=True))
            aim = f" (target at least {TARGET:.0f})" if size == 1 else ""
            print(
                f"  {seconds / sides[0][0]:.1f} times the throughput of HFLM with batch size {size}{aim}, "
                f"which takes {seconds:.2f} s; same answer on"
                f" {alike[0]} of {len(questions)}, by character {alike[1]}; log-likelihoods at most {apart:.2g} apart",
                flush=True,
            )
        right = [
            [sum(a[kind] == q.right for a, q in zip(answers, questions, strict=True)) for answers in found]
            for kind in (0, 1)
        ]
        print(f"  right answers, ours and theirs: {right[0]}, by character {right[1]}", flush=True)


def _run(side: HFLM, requests: list[Instance]) -> Callable[[], list[tuple[float, bool]]]:
    return lambda: side.loglikelihood(requests, disable_tqdm=True)


def turns(
    sides: list[Callable[[], list[tuple[float, bool]]]], repeats: int
) -> list[tuple[float, list[tuple[float, bool]]]]:
    """Median seconds of each side and its scores."""
    seconds: list[list[float]] = [[] for _ in sides]
    scores: list[list[tuple[float, bool]]] = [[] for _ in sides]
    for _ in range(repeats):
        for number, run in enumerate(sides):
            started = time.perf_counter()
            scores[number] = run()
            seconds[number].append(time.perf_counter() - started)
    return [(statistics.median(times), found) for times, found in zip(seconds, scores, strict=True)]


if __name__ == "__main__":
    main()
