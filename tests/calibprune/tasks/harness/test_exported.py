"""Tasks put to an exported checkpoint: scores are those of the model in memory, and nothing is left of it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from byte_tokenizer import byte_tokenizer
from harness_tasks import CHAT, choice, written
from tiny_models import tiny

from calibprune.errors import ModelError, ParameterError
from calibprune.tasks.harness import exported as module
from calibprune.tasks.harness.bridge import evaluate, evaluate_exported
from calibprune.tasks.harness.exported import ACCELERATE, VLLM, answering, check_backend, exported

STAND_IN = '''\
"""What the harness uses of vLLM, answered by transformers."""

import json
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TokensPrompt = dict


class SamplingParams(SimpleNamespace):
    pass


class LLM:
    def __init__(self, **settings):
        Path(__file__).with_name("settings.json").write_text(json.dumps(settings))
        self.model = AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32)
        self.tokenizer = AutoTokenizer.from_pretrained(settings["model"])
        config = SimpleNamespace(max_model_len=settings["max_model_len"])
        self.llm_engine = SimpleNamespace(model_config=config)

    @torch.no_grad()
    def generate(self, prompts, sampling_params, use_tqdm, lora_request):
        return [
            self._answer(prompt["prompt_token_ids"], how) for prompt, how in zip(prompts, sampling_params, strict=True)
        ]

    def _answer(self, tokens, how):
        if hasattr(how, "prompt_logprobs"):
            found = self.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
            rows = zip(found[:-1], tokens[1:], strict=True)
            known = [{int(row.argmax()): float(row.max())} | {token: float(row[token])} for row, token in rows]
            return SimpleNamespace(prompt_logprobs=[None, *known])
        assert how.temperature == 0, how
        text, begun = "", len(tokens)
        while len(tokens) - begun < how.max_tokens and not any(stop in text for stop in how.stop):
            tokens = [*tokens, int(self.model(torch.tensor([tokens])).logits[0, -1].argmax())]
            text = self.tokenizer.decode(tokens[begun:])
        return SimpleNamespace(outputs=[SimpleNamespace(text=text)])
'''


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "exported"


@pytest.fixture(scope="module")
def vllm(tmp_path_factory) -> Iterator[Path]:
    """A package of that name that notes with what it was called; and a GPU, as far as anybody asks."""
    site = tmp_path_factory.mktemp("site")
    files = {
        "vllm/__init__.py": STAND_IN,
        "vllm/lora/request.py": "class LoRARequest: pass",
        "vllm/renderers/hf.py": "def resolve_chat_template(**settings): return settings['tokenizer'].chat_template",
        "vllm/tokenizers.py": "def get_tokenizer(name, tokenizer_mode, trust_remote_code, revision):\n"
        "    from transformers import AutoTokenizer\n    return AutoTokenizer.from_pretrained(name)",
        "vllm-0.11.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: vllm\nVersion: 0.11.0\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setattr(module, "check_backend", lambda backend: None)
        yield site / "vllm"
    for name in [name for name in sys.modules if name.split(".")[0] == "vllm"]:
        del sys.modules[name]


@pytest.fixture
def model():
    return tiny("llama")


@pytest.fixture
def tokenizer():
    return byte_tokenizer(eos_token="</s>", add_bos_token=True)


def assert_the_same(found, expected):
    assert [(one.task, one.metric, one.ids) for one in found] == [(one.task, one.metric, one.ids) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.items.tolist() == other.items.tolist(), one
        assert one.value == other.value and one.n == other.n
    assert {0.0, 1.0} <= set(found[0].items.tolist()), "there should be right and wrong answers"


def test_scores_with_layers_on_disk_are_those_of_the_model_in_memory(model, tokenizer, cache):
    tasks = [choice(), written()]
    expected = evaluate(model, tokenizer, tasks)
    sizes = {name: parameter.nbytes for name, parameter in model.named_parameters()}
    layer = sum(size for name, size in sizes.items() if ".layers.0." in name)
    # for one layer of three, and for another to be computed in
    memory = {"cpu": sum(size for name, size in sizes.items() if ".layers." not in name) + 2 * layer + 64}
    done = []
    with exported(model, tokenizer, "cell") as folder:
        where = answering(ACCELERATE, folder, "float32", memory).model.hf_device_map
        found = evaluate_exported(
            folder, ACCELERATE, "float32", tasks, memory=memory, progress=lambda now, all_: done.append((now, all_))
        )
    assert {"cpu", "disk"} == set(where.values())
    assert_the_same(found, expected)
    assert done[-1] == (14, 14)
    assert [path.name for path in cache.iterdir()] == ["cell.lock"]


def test_what_a_backend_needs(monkeypatch):
    check_backend("local")
    check_backend(ACCELERATE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParameterError, match="task_backend vllm: needs a GPU, and torch sees none; choose accelerate"):
        check_backend(VLLM)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"vllm is not installed; pip install 'calibprune\[vllm\]'"):
        check_backend(VLLM)


def test_vllm_is_asked_for_the_exported_checkpoint(model, tokenizer, cache, vllm):
    tasks = [choice(), written()]
    expected = evaluate(model, tokenizer, tasks)
    with exported(model, tokenizer, "cell") as folder:
        found = evaluate_exported(folder, VLLM, "bfloat16", tasks)
    assert_the_same(found, expected)
    settings = json.loads((vllm / "settings.json").read_text())
    assert (settings["model"], settings["dtype"], settings["trust_remote_code"]) == (str(folder), "bfloat16", False)
    assert settings["max_model_len"] == 64  # the model's own
    assert not folder.exists()


@pytest.mark.parametrize("backend", [ACCELERATE, VLLM])
def test_the_chat_template_is_the_tokenizers(model, tokenizer, cache, request, backend):
    if backend == VLLM:
        request.getfixturevalue("vllm")
    with (
        exported(model, tokenizer, "cell") as folder,
        pytest.raises(ModelError, match="no chat template; evaluate this model without one"),
    ):
        evaluate_exported(folder, backend, "float32", [choice()], chat=True)
    tokenizer.chat_template = CHAT
    expected = evaluate(model, tokenizer, [choice()], chat=True)
    with exported(model, tokenizer, "cell") as folder:
        found = evaluate_exported(folder, backend, "float32", [choice()], chat=True)
    assert [one.items.tolist() for one in found] == [one.items.tolist() for one in expected]


def test_what_a_killed_process_left_is_taken_away(model, tokenizer, cache):
    (cache / "cell").mkdir(parents=True)
    (cache / "cell" / "model-00001-of-00099.safetensors").write_text("half of it")
    with exported(model, tokenizer, "cell") as folder:
        assert sorted(path.suffix for path in folder.glob("model*")) == [".safetensors"]


def test_a_checkpoint_that_cannot_be_written_is_one_line(model, tokenizer, cache):
    cache.parent.mkdir()
    cache.write_text("no folder")
    with pytest.raises(ModelError) as caught, exported(model, tokenizer, "cell"):
        pass
    assert "\n" not in str(caught.value) and str(cache) in str(caught.value) and "CALIBPRUNE_CACHE" in str(caught.value)
