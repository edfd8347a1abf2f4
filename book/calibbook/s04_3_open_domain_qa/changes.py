"""What pruning changes about the answers in each language, in the form of what the target language gains."""

import pandas as pd

from calibbook.s04_2_downstream_tasks.data import Scores
from calibbook.s04_2_downstream_tasks.gains import change, with_means
from calibbook.s04_3_open_domain_qa.claims import every_model, losses_of
from calibbook.shared.comparison import Comparison, paired_bootstrap
from calibbook.shared.frames import is_mixture
from calibbook.shared.statistics import crossed_interval


def pruning_changes(scores: Scores) -> pd.DataFrame:
    """One row a pruned column that has a dense one, with the columns `gains.CHANGES`: pruned minus dense in points,
    with the intervals of the section's claims. A language's counts questions and pruned models (`models`: how many),
    that of the row MEAN calibrations and languages (`crossed_interval`).
    """
    rows = []
    for column, by_text in scores.items():
        dense = scores.get(column.of(column.block.dense))
        if column.method != "dense" and dense and not all(map(is_mixture, by_text)):
            pruned = every_model(by_text)
            lost = paired_bootstrap(dense[""], pruned)
            gained = Comparison(-lost.difference, -lost.high, -lost.low, lost.p)
            rows.append(change(column, gained, len(pruned), pruned.shape[1]))
    return with_means(rows, lambda block, task: crossed_interval(-losses_of(scores, block, task)[0])[:3])
