"""Whatever Section 4.1 takes, every notebook takes: it shows it, or says why there is nothing to show."""

from pathlib import Path

import pytest
from byte_tokenizer import byte_tokenizer
from pages import NOTEBOOKS, shown_by
from tiny_models import tiny

ALL = ["perplexity", "snr_db", "pruning_error", "subspace", "masks", "neurons"]
STUDY = {
    "methods": ["wanda"],
    "sparsity": [0.5],
    "sweep_sparsity": [],
    "sweep_samples": [],
    "sweep_languages": [],
    "bits": [4],
    "group_size": 8,
    "languages": ["de", "sw"],
    "calibration_mixtures": ["de+sw"],
    "seeds": [0],
    "mask_seeds": [0, 1],
    "calibration_samples": 2,
    "calibration_length": 32,
    "evaluation_source": ["chromium"],
    "evaluation_samples": 1,
    "evaluation_length": 32,
    "metrics": ALL,
    "parallel_samples": 2,
    "tasks": ["facts"],
    "task_limit": 2,
}
NOTHING = "Nothing to show"
APART = "**No evaluation language is a calibration language**"
OWN = "file:{folder}/{language}.txt"
"""Text of languages that the package's table does not have, which `tiny_study` writes."""
FOURTEEN = ["ar", "bn", "de", "el", "en", "fa", "fi", "he", "ja", "ko", "ru", "sw", "th", "zh"]
"""More than a palette has colours, and more pairs than one figure shows."""
OTHERS = {
    "nothing is pruned, and little": (
        {"sparsity": [0, 0.025]},
        {"05_1_subspaces": "Nothing changed", "05_2_pruning_masks": "Nothing was removed"},
    ),
    "one language": (
        {"languages": "sw", "calibration_mixtures": [], "tasks": [], "bits": [], "mask_seeds": []},
        {
            "04_4_multiple_languages": "no mixture",
            "04_6_quantization": "quantized nothing",
            "05_analysis": NOTHING,
            "06_conclusion": NOTHING,
            "05_1_subspaces": "Nothing to separate",
            "05_2_pruning_masks": "One language",
            "05_3_language_neurons": NOTHING,
            "appendix_g_neurons": NOTHING,
            "first_page": "undecided: too few languages",
            "atlas": "An atlas compares languages",
        },
    ),
    "no calibration": (
        {"methods": "magnitude", "bits": [], "metrics": "perplexity", "tasks": []},
        {
            "first_page": "times that of the dense model",
            "04_2_downstream_tasks": "no multiple-choice task",
            "04_3_open_domain_qa": "no task with generated answers",
            "06_conclusion": NOTHING,
            "05_1_subspaces": "Nothing to separate",
            "05_2_pruning_masks": "No masks",
            "05_3_language_neurons": NOTHING,
        },
    ),
    "no text": (
        {"metrics": ["masks", "neurons"], "bits": [], "tasks": []},
        {
            "first_page": NOTHING,
            "04_1_pruning_results": NOTHING,
            "05_1_subspaces": "Nothing to separate",
            "05_analysis": NOTHING,
            "i_have_a_language": NOTHING,
        },
    ),
    "a mixture of other languages": ({"languages": "sw", "calibration_mixtures": "de+en", "mask_seeds": []}, {}),
    "calibrated in several languages, measured in one of them": (
        {
            "languages": ["de", "sw", "ar"],
            "evaluation_languages": "sw",
            "calibration_mixtures": "de+sw",
            "single_seeds": [1],
            "tasks": ["facts", "knowledge"],
        },
        {
            "04_1_pruning_results": "Swahili (SW) is served best by",
            "04_2_downstream_tasks": "of 1 columns",
            "05_analysis": "of 1 columns",
            "06_conclusion": "No question was asked in English",
            "05_1_subspaces": "Nothing to separate",
            "05_3_language_neurons": "`evaluation_languages`",
        },
    ),
    "calibrated in some languages, measured in others": (
        {
            "languages": ["fr", "pt"],
            "evaluation_languages": ["vi", "th"],
            "calibration_mixtures": "fr+pt",
            "tasks": [],
        },
        {
            "first_page": "undecided: no evaluation language was calibrated in",
            "04_1_pruning_results": "Thai (TH) is served best by",
            "04_4_multiple_languages": "FR+PT",
            "04_6_quantization": "each side would be calibrated in the language itself",
            "05_2_pruning_masks": "Of 1 pairs fr and pt",
            "i_have_a_language": "No language that this run measured was calibrated in",
        }
        | dict.fromkeys(("05_1_subspaces", "05_3_language_neurons"), APART),
    ),
    "languages that the table does not have": (
        {
            "languages": ["yo", "pt-PT", "zho_Hans"],
            "evaluation_languages": ["yo", "zho_Hans", "de"],
            "calibration_mixtures": "yo+zho_Hans",
            "tasks": [],
        }
        | dict.fromkeys(("calibration_source", "evaluation_source", "parallel_source"), OWN),
        {
            "04_1_pruning_results": "Yoruba (YO) is served best by",
            "04_4_multiple_languages": "YO+zho_Hans",
            "05_3_language_neurons": "about the evaluation languages that were calibrated in as well: Yoruba (YO) and",
        },
    ),
    "fourteen languages": (
        {"languages": FOURTEEN, "calibration_mixtures": [], "mask_seeds": [0], "tasks": [], "bits": []},
        {
            "05_2_pruning_masks": "the 12 pairs of languages with the highest mean and the 12 with the lowest",
            "appendix_g_neurons": "calibrated in HE",
            "atlas": "Heat map of 14 calibration languages by 14 evaluation languages",
        },
    ),
    "a text and a question": (
        {
            "metrics": "perplexity",
            "tasks": ["knowledge_sw", "facts_de"],
            "task_limit": 1,
            "evaluation_source": "udhr",
            "sparsity": ["2:4", "1:4"],
        },
        {
            "04_2_downstream_tasks": "Left out: knowledge in sw.",
            "04_3_open_domain_qa": "Left out: facts in de.",
            "04_4_multiple_languages": "Left out: knowledge in sw; facts in de.",
            "04_6_quantization": "Left out: knowledge in sw.",
            "06_conclusion": NOTHING,
        },
    ),
}


@pytest.fixture(scope="module")
def tiny_study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    tiny("llama", num_hidden_layers=2, max_position_embeddings=1024).save_pretrained(folder / "tiny-llama")
    byte_tokenizer().save_pretrained(folder / "tiny-llama")
    for code in ("yo", "pt-PT", "zho_Hans", "de"):
        words = ("".join("abcdefghij"[int(digit)] for digit in str(7919 * place)) for place in range(1, 61))
        texts = (f"{word} is text of {code}, and of some length" for word in words)
        (folder / f"{code}.txt").write_text("\n\n".join(texts), encoding="utf-8")
    return STUDY | {"models": str(folder / "tiny-llama"), "store": str(folder / "results")}


@pytest.mark.parametrize("named", OTHERS)
def test_every_notebook_takes_it(named, tiny_study):
    parameters, said = OTHERS[named]
    folder = str(Path(tiny_study["store"]).parent)
    parameters = {
        name: value.replace("{folder}", folder) if isinstance(value, str) else value
        for name, value in (tiny_study | parameters).items()
    }
    shown = {notebook.stem: shown_by(notebook, parameters) for notebook in NOTEBOOKS}
    for name, words in said.items():
        assert words in shown[name], shown[name]
    assert all(shown.values())
