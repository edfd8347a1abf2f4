"""Mirrors for the tests: small ones made up on the spot, and the real one where there is one."""

import gzip
import json
import os
from pathlib import Path

import pytest

REAL = Path(os.environ.get("CALIBPRUNE_MIRROR") or Path(__file__).resolve().parents[3] / "shared" / "data")
needs_real = pytest.mark.skipif(
    not (REAL / "arc_challenge").is_dir(),
    reason="no mirror of the benchmarks: CALIBPRUNE_MIRROR names no folder that holds one",
)


def options(*texts: str) -> dict[str, str]:
    return {f"option_{letter}": text for letter, text in zip("abcde", texts, strict=False)}


ROWS = {
    "arc_easy": {
        "id": "ARC-Easy/test/1",
        "instruction": "What is ice?",
        "answer": "B",
        **options("a gas", "a solid", "a fluid"),
    },
    "arc_challenge": {
        "id": "ARC-Challenge/test/1",
        "instruction": "What is ice?",
        "answer": "D",
        **options("a gas", "a fluid", "air", "a solid"),
    },
    "mmlu": {
        "id": "abstract_algebra/val/0",
        "instruction": "The order of 18 in Z_24?",
        "answer": "A",
        **options("4", "8", "12", "6"),
    },
    "belebele": {
        "flores_passage": "Ice is solid water.",
        "question": "What is ice?",
        "mc_answer1": "a gas",
        "mc_answer2": "a fluid",
        "mc_answer3": "water",
        "mc_answer4": "air",
        "correct_answer_num": "3",
    },
    "hellaswag": {
        "query": "Skating: A man puts on skates. He",
        "choices": ["skates.", "swims.", "flies.", "sinks."],
        "gold": 0,
    },
    "mkqa": {
        "example_id": "-1",
        "query": "what is ice",
        "answers": [{"type": "entity", "text": "water", "aliases": ["frozen water"]}],
    },
}


def write(path: Path, rows: list[dict]) -> Path:
    """A file of the mirror's form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    # halves of surrogate pairs can only be written as escapes
    path.write_bytes(gzip.compress(text.encode("utf-8", "backslashreplace")))
    return path


def rows(path: Path) -> list[dict]:
    """A file's lines as they are, read without the package."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
