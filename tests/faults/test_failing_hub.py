"""A hub that is out of reach, answers 500, stalls, cuts a file or sends another one: one line each, no half file is
taken for a whole one, and once the hub is well again the same command goes through. The token is in nothing that
is said or kept.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import failing_hub
import pytest
from children import Ended

TOKEN = "hf_thisisnobodystoken"
FAULTS = ("broken", "cut", "slow", "wrong", "missing")
TEXTS = ("belebele", "mc4")


def assert_said(ended: Ended, *words: str) -> None:
    """That the program says one line, after what the hub's client says of its attempts."""
    *attempts, last = ended.said.splitlines()
    assert not [line for line in attempts if line.startswith("calibprune:")], ended.said
    Ended(ended.status, last).assert_one_line(*words)
    assert "Traceback" not in ended.said


@pytest.fixture(scope="module")
def asked(tiny_checkpoint, tmp_path_factory):
    """What came of asking a hub with each fault, then the same hub without one, and then none, by name; and where the
    files are that were kept.
    """
    kept = tmp_path_factory.mktemp("kept")
    found = []
    with failing_hub.failing_hub(tiny_checkpoint) as hub:
        environment = os.environ | {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(kept),
            "HF_TOKEN": TOKEN,
            "HF_HUB_ETAG_TIMEOUT": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "CALIBPRUNE_CACHE": str(kept / "calibprune"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

        def ask(*names: str) -> dict[str, Ended]:
            command = [sys.executable, failing_hub.__file__, *names]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found.append(done.stdout + done.stderr)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            return {line["name"]: Ended(line["status"], line["said"]) for line in lines}

        failing = ask("good/tiny", *(f"{fault}/tiny" for fault in FAULTS), *TEXTS)
        half = {path.name: path.stat().st_size for path in kept.rglob("model.safetensors")}
        hub.healed.set()
        healed = ask(*(f"{fault}/tiny" for fault in FAULTS), "study of good/tiny")
        tokens = hub.tokens
    gone = ask("good/tiny", "other/tiny", *TEXTS)
    return {
        "failing": failing,
        "half": half,
        "healed": healed,
        "gone": gone,
        "tokens": tokens,
        "said": found,
        "kept": kept,
    }


def test_a_hub_that_is_well(asked):
    assert asked["failing"]["good/tiny"] == Ended(0, "LlamaForCausalLM\n")


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_line(asked, fault):
    assert_said(asked["failing"][f"{fault}/tiny"], f"'{fault}/tiny'")


def test_another_checksum_is_named(asked):
    assert_said(asked["failing"]["wrong/tiny"], "model.safetensors has another checksum", "fetch it again")


def test_no_half_file_is_taken_for_a_whole_one(asked, tiny_checkpoint):
    whole = (tiny_checkpoint / "model.safetensors").stat().st_size
    assert asked["half"] == {"model.safetensors": whole}, "the whole one of the hub that is well"


def test_once_the_hub_is_well_the_same_goes_through(asked):
    for fault in FAULTS:
        assert asked["healed"][f"{fault}/tiny"] == Ended(0, "LlamaForCausalLM\n")


def test_without_a_hub_what_was_fetched_is_used_and_the_rest_is_one_line(asked):
    assert asked["gone"]["good/tiny"] == Ended(0, "LlamaForCausalLM\n")
    asked["gone"]["other/tiny"].assert_one_line("'other/tiny'", "check the name, the network and your access")


@pytest.mark.parametrize("source", TEXTS)
def test_texts(asked, source):
    assert_said(asked["failing"][source], source, "cannot be read", "check the network")
    asked["gone"][source].assert_one_line(source, "127.0.0.1 cannot be reached", f"{source}:FOLDER")


def test_the_token_is_nowhere(asked):
    assert TOKEN in asked["tokens"], "the token was not in use"
    assert not [text for text in asked["said"] if TOKEN in text]
    assert asked["healed"]["study of good/tiny"].status == 0
    files = [path for path in Path(asked["kept"]).rglob("*") if path.is_file()]
    assert {"cell.json", "records.parquet", "config.json"} <= {path.name for path in files}
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
