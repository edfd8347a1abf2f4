"""Tasks of the harness on a model in memory: item scores in order, without network, git or output."""

import json
import math
import socket
import subprocess
import sys

import pytest
import torch
from byte_tokenizer import byte_tokenizer
from harness_tasks import CHAT, ROWS, choice, written
from tiny_models import tiny

from calibprune.errors import ModelError, ParameterError
from calibprune.tasks.harness.bridge import TaskResult, evaluate


@pytest.fixture(scope="module")
def model():
    return tiny("llama")


@pytest.fixture
def tokenizer():
    return byte_tokenizer(eos_token="</s>", add_bos_token=True)


def test_results_are_those_of_the_harness(model, tokenizer, monkeypatch):
    # which asks the machine for ten seconds
    monkeypatch.setattr("lm_eval.evaluator.add_env_info", lambda results: None)
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    found = evaluate(model, tokenizer, [choice(), written()])
    theirs = simple_evaluate(
        HFLM(pretrained=model, tokenizer=tokenizer), tasks=[choice(), written()], bootstrap_iters=10
    )["results"]
    assert [(r.task, r.metric) for r in found] == [("quiz", "acc"), ("quiz", "acc_norm"), ("written", "length")]
    for result in found:
        assert result.value == pytest.approx(theirs[result.task][f"{result.metric},none"], abs=1e-12)
        assert result.stderr == pytest.approx(theirs[result.task][f"{result.metric}_stderr,none"], abs=1e-12)


def test_items_stand_in_the_order_of_the_documents(model, tokenizer):
    from lm_eval.models.huggingface import HFLM

    acc, norm = evaluate(model, tokenizer, [choice()])
    harness = HFLM(pretrained=model, tokenizer=tokenizer)
    encoded = [
        [(("", ""), *harness._encode_pair(row["question"], f" {answer}")) for answer in row["choices"]] for row in ROWS
    ]
    sums = torch.tensor([[x for x, _ in harness._loglikelihood_tokens(four, disable_tqdm=True)] for four in encoded])
    gold = torch.tensor([row["gold"] for row in ROWS])
    assert acc.items.tolist() == (sums.argmax(1) == gold).float().tolist()
    assert norm.items.tolist() == ((sums / torch.tensor([1.0, 3, 1, 2])).argmax(1) == gold).float().tolist()
    assert acc.items.dtype == torch.float32 and acc.ids == [f"doc-{i}" for i in range(7)] and acc.n == 7
    assert {0.0, 1.0} == set(acc.items.tolist()), "the example should have right and wrong answers"


@pytest.mark.parametrize(("key", "ids"), [("example_id", ["doc-0", "doc-1", "doc-2"]), ("other", ["0", "1", "2"])])
def test_documents_are_known_by_their_own_names(model, tokenizer, key, ids):
    result, _ = evaluate(model, tokenizer, [choice(dataset_kwargs={"key": key})], limit=3)
    assert result.ids == ids and result.n == 3


def test_the_standard_error_is_that_of_a_mean():
    result = TaskResult.of("quiz", "f1", [0.0, 0.5, 1.0, 1.0], list("abcd"))
    assert result.value == 0.625 and result.stderr == pytest.approx(
        math.sqrt(sum((x - 0.625) ** 2 for x in (0, 0.5, 1, 1)) / 3 / 4)
    )
    assert math.isnan(TaskResult.of("quiz", "f1", [1.0], ["a"]).stderr)


@pytest.mark.parametrize("limit", [0, -1])
def test_limits_below_one_are_refused(model, tokenizer, limit):
    with pytest.raises(ParameterError, match=f"limit {limit}: give the number of documents"):
        evaluate(model, tokenizer, [choice()], limit=limit)


def test_a_limit_for_each_task_asks_what_one_limit_would(model, tokenizer):
    second = choice(task="second")
    seen = []
    limits = {"second": 2, "quiz": 4}
    found = evaluate(model, tokenizer, [choice(), written(), second], limits, progress=lambda *done: seen.append(done))
    assert [(one.task, one.n) for one in found] == [
        ("quiz", 4),
        ("quiz", 4),
        ("written", evaluate(model, tokenizer, [written()])[0].n),
        ("second", 2),
        ("second", 2),
    ]
    for one in found:
        if one.task in limits:
            alone = evaluate(model, tokenizer, [choice()], limit=limits[one.task])
            assert torch.equal(one.items, next(other.items for other in alone if other.metric == one.metric))
    done, total = zip(*seen, strict=True)
    assert list(done) == sorted(done) and set(total) == {sum({one.task: one.n for one in found}.values())}
    with pytest.raises(ParameterError, match="limit 0: give the number"):
        evaluate(model, tokenizer, [choice()], limit={"quiz": 0})


def test_a_task_object_may_be_used_again(model, tokenizer):
    from lm_eval.api.task import ConfigurableTask

    task = ConfigurableTask(config=choice())
    first, second = evaluate(model, tokenizer, [task], limit=4)[0], evaluate(model, tokenizer, [task])[0]
    assert first.n == 4 and second.n == 7 and second.items[:4].tolist() == first.items.tolist()


def test_a_local_file_needs_no_network_and_nothing_is_printed_or_started(
    model, tokenizer, tmp_path, capfd, monkeypatch
):
    (tmp_path / "quiz.jsonl").write_text("\n".join(json.dumps({"id": i, **row}) for i, row in enumerate(ROWS)))
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: asked.append(host) or [])
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    monkeypatch.setattr(subprocess, "Popen", lambda command, *_, **__: asked.append(command))
    local = choice(
        dataset_path="json",
        dataset_kwargs={"data_files": {"test": str(tmp_path / "quiz.jsonl")}, "cache_dir": str(tmp_path)},
    )
    del local["custom_dataset"]
    results = evaluate(model, tokenizer, [local, written()])
    assert results[0].ids == [str(i) for i in range(7)]
    assert asked == []
    assert capfd.readouterr() == ("", "")


def test_the_harness_is_as_loud_afterwards_as_before(model, tokenizer):
    import logging

    import datasets
    from lm_eval.api import task
    from tqdm import tqdm

    before = logging.getLogger("lm_eval").level
    evaluate(model, tokenizer, [choice()], limit=1)
    assert logging.getLogger("lm_eval").level == before and task.tqdm is tqdm
    assert not datasets.are_progress_bars_disabled() and datasets.config.HF_UPDATE_DOWNLOAD_COUNTS


def test_prompts_go_through_the_chat_template(model):
    talk = byte_tokenizer(eos_token="</s>", add_bos_token=True, chat_template=CHAT)
    seen = []

    def process(document, results):
        return {"length": 1.0}

    from calibprune.tasks.harness.scorer import Scorer

    original = Scorer.generate_until
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            Scorer,
            "generate_until",
            lambda self, requests, **more: seen.extend(r.args[0] for r in requests) or original(self, requests),
        )
        evaluate(model, talk, [written(process_results=process)], limit=2, chat=True)
    assert seen == ["[user]one and[answer]", "[user]two and[answer]"]


def test_a_model_without_a_chat_template_is_refused(model, tokenizer):
    with pytest.raises(ModelError, match="no chat template"):
        evaluate(model, tokenizer, [choice()], chat=True)


def boom(*_, **__):
    raise KeyError("gone\nand more")


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (choice(doc_to_choice="nothing"), "task quiz: the harness cannot evaluate it"),
        (choice(custom_dataset=boom), "task quiz: the harness cannot evaluate it .KeyError: 'gone"),
        (choice(test_split="absent"), "task quiz: the harness cannot evaluate it .KeyError: 'absent'"),
        (
            choice(output_type="poetry"),
            "task quiz: the harness cannot evaluate it .ValueError: Got invalid output_type 'poetry'",
        ),
        (written(process_results=boom), "task written: the harness cannot evaluate it .KeyError"),
        (written(generation_kwargs={"until": [], "max_gen_toks": 10_000}), "task written: max_gen_toks is 10000"),
        (
            choice(metric_list=[{"metric": "mcc", "aggregation": "matthews_corrcoef", "higher_is_better": True}]),
            "task quiz: its metric mcc is not a mean",
        ),
    ],
)
def test_what_the_harness_raises_is_one_line_that_names_the_task(model, tokenizer, config, what):
    with pytest.raises(ParameterError, match=what) as caught:
        evaluate(model, tokenizer, [config])
    assert "\n" not in str(caught.value)


def test_a_task_given_twice_is_refused(model, tokenizer):
    with pytest.raises(ParameterError, match="task quiz: given twice"):
        evaluate(model, tokenizer, [choice(), choice()])


def test_several_filters_are_several_results(model, tokenizer):
    filters = [
        {"name": name, "filter": [{"function": "regex", "regex_pattern": pattern}, {"function": "take_first"}]}
        for name, pattern in (("first", "(.)"), ("all", "(.*)"))
    ]
    found = evaluate(model, tokenizer, [written(filter_list=filters)])
    assert [result.metric for result in found] == ["length,first", "length,all"]


def test_progress_counts_documents_of_all_tasks(model, tokenizer):
    seen = []
    evaluate(
        model,
        tokenizer,
        [choice("a"), written("b"), choice("c")],
        limit=5,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert {total for _, total in seen} == {15} and seen[-1][0] == 15
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_importing_the_package_does_not_import_the_harness():
    code = "import sys, calibprune, calibprune.tasks.harness.bridge; print('lm_eval' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )
