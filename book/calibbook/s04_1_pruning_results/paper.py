"""The paper's own numbers for Section 4.1, as far as its text states them; its Tables 1 and 6 are pictures."""

import pandas as pd

from calibbook.shared.frames import METRICS, measured, setting, summarize

LLAMA3_8B = ("llama3-8b", "meta-llama/Meta-Llama-3-8B-Instruct", "meta-llama/Llama-3-8B-Instruct")


def paper_numbers() -> pd.DataFrame:
    """What the running text of Section 4.1 states: one row a number, in the names of the tidy frame, plus `section`.

    Llama-3 8B pruned with Wanda at 50%, perplexity on Chinese mC4, mean of three draws. Every other cell is not known.
    """
    common = {
        "model": LLAMA3_8B[0],
        "method": "wanda",
        "sparsity": 0.5,
        "pattern": "unstructured",
        "metric": "perplexity",
        "source": "mc4",
        "language": "zh",
        "section": "4.1",
    }
    return pd.DataFrame([common | {"calibration": "ru", "value": 23.6}, common | {"calibration": "zh", "value": 24.4}])


def paper_value(
    model: str, method: str, sparsity: float, pattern: str, calibration: str, language: str, metric: str, source: str
) -> float | None:
    """The paper's number of one cell of Table 1 or 6, None where it is not known."""
    if model not in LLAMA3_8B:
        return None
    numbers = paper_numbers()
    found = numbers[
        (numbers["method"] == method)
        & (numbers["sparsity"] == sparsity)
        & (numbers["pattern"] == pattern)
        & (numbers["calibration"] == calibration)
        & (numbers["language"] == language)
        & (numbers["metric"] == metric)
        & (numbers["source"] == source)
    ]
    return float(found["value"].iloc[0]) if len(found) else None


def beside_paper(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Each known number of the paper, and the same cell of every model and sparsity of the frame on `source`.

    Text columns, ready to show; 'not measured' where the frame lacks the cell.
    """
    settings = frame.loc[frame["method"] != "dense", ["model", "sparsity", "pattern"]].drop_duplicates()
    lines = []
    numbers = paper_numbers()
    for number in numbers[numbers["metric"].isin(measured(frame))].to_dict("records"):
        summary = summarize(frame, number["metric"], source)
        for model, sparsity, pattern in settings.itertuples(index=False):
            cell = summary[
                (summary["model"] == model)
                & (summary["sparsity"] == sparsity)
                & (summary["pattern"] == pattern)
                & (summary["method"] == number["method"])
                & (summary["calibration"] == number["calibration"])
                & (summary["language"] == number["language"])
            ]
            lines.append(
                {
                    "metric": METRICS[number["metric"]].label,
                    "calibration": number["calibration"],
                    "evaluation": number["language"],
                    f"paper, {number['model']} on {number['source']}": f"{number['value']:.1f}",
                    "our model": f"{model}, {setting(sparsity, pattern)}",
                    f"ours on {source}": f"{cell['mean'].iloc[0]:.1f}" if len(cell) else "not measured",
                }
            )
    return pd.DataFrame(lines)
