"""Two tasks of the harness over seven documents: an answer to choose and one to write."""

CHAT = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{% if add_generation_prompt "
    "%}[answer]{% endif %}"
)
ROWS = [
    {"question": f"{word} and", "choices": ["a", "bcd", "é", " f"], "gold": number % 4, "answer": "x"}
    for number, word in enumerate(("one", "two", "three", "four", "five", "six", "seven"))
]


def documents(key="id", **_):
    import datasets

    return datasets.DatasetDict(
        {"test": datasets.Dataset.from_list([{key: f"doc-{i}", **row} for i, row in enumerate(ROWS)])}
    )


def choice(name="quiz", **changes):
    metrics = [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("acc", "acc_norm")]
    return {
        "task": name,
        "custom_dataset": documents,
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": metrics,
        **changes,
    }


def written(name="written", **changes):
    metrics = [{"metric": "length", "aggregation": "mean", "higher_is_better": True}]
    settings = {"until": ["\n"], "max_gen_toks": 5, "do_sample": False}
    return {
        "task": name,
        "custom_dataset": documents,
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "answer",
        "process_results": lambda document, results: {"length": len(results[0]) + len(document["id"])},
        "metric_list": metrics,
        "generation_kwargs": settings,
        **changes,
    }
