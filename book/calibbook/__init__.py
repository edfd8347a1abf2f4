"""From the records of a study to this book: each notebook has a room of its name, with its data, tables, figures and
claims.

`build.py` executes the notebooks, judges them and renders the pages; `published.py` does that for the published run;
`shared/` is what several rooms use. `python -m calibbook` does all of it.
"""

import calibprune  # noqa: F401 - before anything imports torch: it chooses how the threads of torch wait
