"""The commands of `calibprune`, from plan and study to prune and corpora; cli.py runs them.

A command imports what it needs when it is called, so that `calibprune --help` answers at once.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibprune import __version__
from calibprune import corpora as texts
from calibprune.errors import ParameterError, StoreError
from calibprune.files import PUBLISHED
from calibprune.methods import DEFAULT_QUANTIZER, pruner, quantizer
from calibprune.models.packaged import PACKAGED

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from calibprune.advice.prediction import Advice
    from calibprune.study.kept import Kept
    from calibprune.study.parameters import Parameters
    from calibprune.study.verifying import Verdict

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Params = Annotated[Path, typer.Argument(help="a YAML file of parameters, for example params/embedded.yaml")]
Model = Annotated[str, typer.Argument(help=", ".join([*PACKAGED, "a local folder, or a hub id"]))]
Output = Annotated[Path, typer.Option(help="a new or empty folder for the checkpoint")]
Calibration = Annotated[
    str, typer.Option(help="a language or a mixture, for example de or ar+en; needed unless the method uses no text")
]
Source = Annotated[str, typer.Option(help=", ".join(texts.names()))]
Samples = Annotated[int, typer.Option(help="number of calibration windows")]
Length = Annotated[int, typer.Option(help="tokens in a window")]
Seed = Annotated[int, typer.Option(help="which draw of windows")]
GroupSize = Annotated[int, typer.Option(help="how many consecutive inputs share a scale")]
Symmetric = Annotated[bool, typer.Option(help="levels around 0; else each group spans its own range")]
Format = Annotated[str, typer.Option(help="dense, or compressed-tensors, which packs rounded weights")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]
StoreFolder = Annotated[str, typer.Option("--store", help="the study's own store")]
Shelves = Annotated[list[str], typer.Option("--shelf", help="a folder or archive to look in next; may be given again")]
Dtype = Annotated[str, typer.Option(help="auto, bfloat16, float16, float32")]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--resident",
        help="read the model layer by layer, or load it whole; by default as its size and the free memory ask for",
    ),
]

OF_THE_TEXT = ("calibration", "source", "samples", "length", "seed")
OF_ROUNDING = ("group_size", "symmetric")


def _say_version(asked: bool) -> None:
    if asked:
        print(f"calibprune {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="say which version this is")
    ] = False,
) -> None:
    """The command line of calibprune."""


@app.command()
def plan(
    params: Params,
    machine: Annotated[
        str | None, typer.Option(help="a part of the name of a measured machine, for example h200; else this one")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="how long a job should take at least")] = 20.0,
    benchmarks: Annotated[Path | None, typer.Option(help="a folder of measured rates, else the checkout's")] = None,
) -> None:
    """Say what a study costs before it is computed: cells, hours, disk, memory. Needs no weights and no GPU."""
    from rich.table import Table

    from calibprune.study.parameters import Parameters
    from calibprune.study.planning import plan as planning
    from calibprune.study.planning import words

    made = planning.plan(Parameters.from_yaml(params), machine, benchmarks)
    table = Table(*words.HEADINGS, title=f"{params} on {made.machine.name}")
    for row in words.table(made):
        table.add_row(*row)
    _console().print(table)
    for line in words.sentences(made, minutes):
        print(line)


@app.command()
def study(
    params: Params,
    cells: Annotated[
        list[str] | None,
        typer.Option(help="compute these cells alone: ids, separated by commas, as `cells` shows them"),
    ] = None,
    group: Annotated[str | None, typer.Option(help="compute the K-th of N groups of cells alone, as K/N")] = None,
) -> None:
    """Compute what a study lacks, and say where its records are. Interrupted, it goes on where it was."""
    from calibprune.study.planning import groups
    from calibprune.study.study import Study

    if cells and group:
        raise ParameterError("--cells and --group both choose cells; give one of them")
    chosen = Study.from_yaml(params)
    _say_what_tasks_lack(chosen.parameters)
    asked = chosen.cells()
    if group:
        asked = groups.of_text(group, asked)
    elif cells:
        asked = groups.of_ids([one.strip() for given in cells for one in given.split(",") if one.strip()], asked)
    frame = chosen.run(only=asked)
    print(f"{len(frame)} records of {len(asked)} cells in {chosen.store.root / 'cells'}")


def _say_what_tasks_lack(parameters: "Parameters") -> None:
    """A line on standard error for each family of tasks that is not there in all languages: it is measured in the
    others.
    """
    from calibprune.tasks.catalogue import lacking

    gaps = lacking(parameters.tasks, parameters.evaluation_languages, parameters.data_mirror is not None)
    for family, languages in gaps.items():
        print(
            f"{family}: has no questions in {', '.join(languages)}, so that it is not measured there", file=sys.stderr
        )


@app.command()
def cells(params: Params) -> None:
    """List the cells of a study, with what is done."""
    from rich.table import Table

    from calibprune.study.study import Study

    chosen = Study.from_yaml(params)
    table = Table("cell", "id", "done", "seconds", "date", "shelf")
    listed, done = chosen.cells(), 0
    for cell in listed:
        known, state = {}, "no"
        try:
            if chosen.store.has(cell):
                known, state = chosen.store.provenance(cell), "yes"
        except StoreError as error:
            print(error, file=sys.stderr)
            state = "damaged"
        done += bool(known)
        seconds = f"{known['seconds_prune'] + known['seconds_measure']:.0f}" if known else ""
        table.add_row(cell.title, cell.id, state, seconds, known.get("date", ""), known.get("shelf", ""))
    _console().print(table)
    print(f"{done} of {len(listed)} cells done")


@app.command()
def show(
    cell: Annotated[str, typer.Argument(help="the id of a cell or of a derived table, or how it begins")],
    store: StoreFolder = "results",
    shelf: Shelves = (PUBLISHED,),
) -> None:
    """What a cell or a derived table is, and where it comes from: commit, versions, machine, cost and checksums."""
    from calibprune.study import showing
    from calibprune.study.cells import Cell
    from calibprune.study.derived import DERIVED
    from calibprune.study.shelves import find

    for name, value in showing.lines(*find(_places(store, shelf), cell, (Cell.kept_in, DERIVED))):
        print(f"{name:30} {value}")


@app.command()
def verify(
    cells: Annotated[list[str] | None, typer.Argument(help="ids of cells, or how they begin")] = None,
    random: Annotated[int | None, typer.Option(min=1, help="so many cells by chance; 5 where no cell is named")] = None,
    against: Annotated[
        str | None, typer.Option(help="the folder or archive that holds them; by default the store, then the shelves")
    ] = None,
    store: StoreFolder = "results",
    shelf: Shelves = (PUBLISHED,),
    data_mirror: Annotated[str | None, typer.Option(help="folder with the data of the tasks")] = None,
    device: Device = "auto",
) -> None:
    """Compute cells again and compare: to the bit on the same kind of processor, within tolerances elsewhere.

    The status is 0 where all are the same, and 1 otherwise.
    """
    from calibprune.study import verifying
    from calibprune.study.shelves import find, open_shelves

    if cells and random:
        raise ParameterError("verify takes ids of cells or --random, not both; leave one out")
    places = open_shelves([against]) if against else _places(store, shelf)
    chosen = [find(places, prefix) for prefix in cells or ()] or verifying.some(places, random or 5)
    targets = [verifying.target(*one) for one in dict.fromkeys(chosen)]
    for line in verifying.announced(targets, device):
        print(line, flush=True)
    verdicts = list(verifying.verify(targets, device, data_mirror))
    _console().print(_verdicts(verdicts))
    for differs, alike in _by_what_differs(verdicts).items():
        print(f"{', '.join(alike)}: {'; '.join(differs)}")
    same = sum(verdict.same for verdict in verdicts)
    print(f"{same} of {len(verdicts)} cells are the same")
    raise typer.Exit(0 if same == len(verdicts) else 1)


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="a new or empty folder, for example book/results/published")],
    params: Annotated[list[Path], typer.Argument(help="YAML files of parameters; the book is of the first")],
    limit_mb: Annotated[float, typer.Option(min=0.001, help="the most it may take, in 10⁶ bytes")] = 20.0,
    fixed: Annotated[
        list[Path] | None,
        typer.Option(help="a file whose checksum the manifest keeps, such as claims.yaml; may be given again"),
    ] = None,
) -> None:
    """Pack finished studies as a shelf: records, item scores and derived tables with a manifest, without masks."""
    from calibprune.study import publishing
    from calibprune.study.study import Study

    studies = {path.stem: Study.from_yaml(path) for path in params}
    if len(studies) < len(params):
        raise ParameterError(f"{', '.join(map(str, params))}: two files have the same name; rename one of them")
    found = publishing.publish(studies, folder, round(1e6 * limit_mb), fixed or ())
    print(f"{folder}: {found.cells} cells, {found.tables} derived tables, {found.bytes / 1e6:.1f} MB")
    if not found.tables:
        print("without derived tables pages about masks and neurons cannot be shown from it: build the book first")


@app.command()
def doctor(store: StoreFolder = "results", shelf: Shelves = (PUBLISHED,)) -> None:
    """Say what is wrong with the packages, the cache, the disk and the cells that are kept, and how to mend it.

    The status is 0 where nothing is wrong, and 1 otherwise.
    """
    from calibprune.study.doctor import FAULT, examine

    faults = 0
    for finding in examine(store, shelf):
        faults += finding.kind == FAULT
        mend = f": {finding.mend}" if finding.mend else ""
        print(f"{finding.kind:6} {finding.where}: {finding.what}{mend}", flush=True)
    print(f"{faults} faults" if faults else "nothing is wrong")
    raise typer.Exit(1 if faults else 0)


def _places(store: str, shelves: list[str]) -> list["Kept"]:
    """The store, then the shelves."""
    from calibprune.study.shelves import open_shelves
    from calibprune.study.store import Store

    return list(Store(store, open_shelves(shelves, store)).places)


def _verdicts(verdicts: "list[Verdict]") -> "Table":
    from rich.table import Table

    table = Table("cell", "id", "same", "compared", "largest difference, or why not", "seconds then", "now")
    for one in verdicts:
        then = one.target.seconds()
        table.add_row(
            one.target.title,
            one.target.id,
            "yes" if one.same else "no",
            one.compared,
            one.found,
            *("" if seconds != seconds else f"{seconds:.1f}" for seconds in (then, one.seconds)),
        )
    return table


def _by_what_differs(verdicts: "list[Verdict]") -> dict[tuple[str, ...], list[str]]:
    """What here is other than where cells were computed first -> the ids of these cells."""
    found: dict[tuple[str, ...], list[str]] = {}
    for one in verdicts:
        if one.differs:
            found.setdefault(one.differs, []).append(one.target.id)
    return found


@app.command()
def prune(
    context: typer.Context,
    model: Model,
    output: Output,
    method: Annotated[str, typer.Option(help="a method that prunes; an unknown name lists them")] = "wanda",
    sparsity: Annotated[str, typer.Option(help="a fraction in [0, 1), or a pattern such as 2:4")] = "0.5",
    calibration: Calibration = "",
    bits: Annotated[
        int | None, typer.Option(help="round the weights that stay too, to 2 to 8 bits, where the method can")
    ] = None,
    group_size: GroupSize = 128,
    symmetric: Symmetric = True,
    format: Format = "dense",
    source: Source = "chromium",
    samples: Samples = 32,
    length: Length = 512,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    stream: Stream = None,
) -> None:
    """Prune a model, or prune and round it at once, and write it as a Hugging Face checkpoint with a model card."""
    from calibprune.saving import making
    from calibprune.schemes import Grid, Sparsity

    if bits is None:
        _refuse_idle(context, OF_ROUNDING, "without --bits")
    if pruner(method).accumulate is None:
        _refuse_idle(context, OF_THE_TEXT, f"with method {method}, which uses no text")
    pattern = Sparsity.of(sparsity)
    grid = None if bits is None else Grid.of(bits, group_size, symmetric)
    target = making.Target(output, format, device, dtype, stream)
    text = making.Text(calibration, source, samples, length, seed)
    with _layers(f"{model} {method} {pattern} {calibration}".rstrip()) as progress:
        result = making.prune(model, target, method, pattern, text, grid, progress)
    rounded = f" and rounded to {bits} bits" if grid else ""
    print(f"{output}: {model} pruned with {method} to {pattern}{rounded} in {result.seconds:.0f} s")


@app.command()
def quantize(
    context: typer.Context,
    model: Model,
    output: Output,
    calibration: Calibration = "",
    method: Annotated[str, typer.Option(help="a method that rounds; an unknown name lists them")] = DEFAULT_QUANTIZER,
    bits: Annotated[int, typer.Option(help="2 to 8")] = 4,
    group_size: GroupSize = 128,
    symmetric: Symmetric = True,
    act_order: Annotated[bool, typer.Option(help="round the columns by falling Hessian diagonal")] = False,
    format: Format = "compressed-tensors",
    source: Source = "chromium",
    samples: Samples = 32,
    length: Length = 512,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    stream: Stream = None,
) -> None:
    """Quantize a model, with GPTQ by default, and write it as a Hugging Face checkpoint with a model card."""
    from calibprune.saving import making
    from calibprune.schemes import Grid

    if quantizer(method).accumulate is None:
        _refuse_idle(context, OF_THE_TEXT, f"with method {method}, which uses no text")
    grid = Grid.of(bits, group_size, symmetric, act_order)
    target = making.Target(output, format, device, dtype, stream)
    text = making.Text(calibration, source, samples, length, seed)
    with _layers(f"{model} {method} {grid.pattern} {calibration}") as progress:
        result = making.quantize(model, target, grid, text, method, progress)
    print(f"{output}: {model} quantized to {bits} bits in {result.seconds:.0f} s")


@app.command()
def advise(
    model: Model,
    target: Annotated[list[str], typer.Option(help="a language that the pruned model is for; may be given again")],
    candidates: Annotated[str, typer.Option(help="languages and mixtures to choose from, for example pt,es,en,es+en")],
    method: Annotated[str, typer.Option(help="a method that prunes and reads text")] = "wanda",
    sparsity: Annotated[str, typer.Option(help="a fraction in [0, 1), or a pattern such as 2:4")] = "0.5",
    exact: Annotated[bool, typer.Option(help="with Gram matrices, which are slower, and not their diagonals")] = False,
    source: Source = "chromium",
    samples: Annotated[int, typer.Option(help="number of calibration windows of each language")] = 32,
    length: Length = 512,
    target_samples: Annotated[int, typer.Option(help="number of windows of a target, of the validation text")] = 8,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    table: Annotated[Path | None, typer.Option(help="a CSV file for the losses of all layers and components")] = None,
) -> None:
    """Rank calibration languages for a target language by predicted losses, without pruning or evaluating anything."""
    from calibprune.advice import asking, tables

    text = asking.Text(source, samples, length, seed, target_samples)
    names = [name.strip() for name in candidates.split(",") if name.strip()]
    targets = [name.strip() for given in target for name in given.split(",") if name.strip()]
    if table is not None:
        table = tables.check_table(table)
    with _layers(f"{model} {method} {sparsity} {' '.join(names)}") as progress:
        advice = asking.ask(model, names, targets, text, method, sparsity, exact, device, dtype, progress)
    for language in targets:
        _console().print(_ranking(advice, language))
    print(
        f"Predicted from the errors of single layers of the dense model on {source}, in {advice.seconds:.0f} s; "
        f"these are no measured perplexities."
    )
    if table is not None:
        tables.write_table(advice, table)
        print(f"{table}: the losses of all layers and components")


def _ranking(advice: "Advice", target: str) -> "Table":
    """The candidates for one target, the best first."""
    from rich.table import Table

    title = f"calibration for {target}, {advice.method} {advice.sparsity}"
    ranking = Table("calibration", "predicted loss", "against the best", title=title)
    for name, loss, ratio in advice.ranked(target):
        ranking.add_row(name, f"{loss:.4f}", f"{ratio:.3f}")
    return ranking


def _refuse_idle(context: typer.Context, names: tuple[str, ...], why: str) -> None:
    """Raises ParameterError where the command line has options of these names, which change nothing."""
    given = [name for name in names if context.get_parameter_source(name).name == "COMMANDLINE"]
    if given:
        options = ", ".join(f"--{'no-' * (context.params[name] is False)}{name.replace('_', '-')}" for name in given)
        have, them = ("have", "them") if len(given) > 1 else ("has", "it")
        raise ParameterError(f"{options} {have} no effect {why}; leave {them} out")


def _console() -> "Console":
    """Standard output, for tables: names are shown as they are, also where they look like rich's own markup."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


@contextmanager
def _layers(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar over a model's layers, which begins when it is called for the first time, with (0, layers)."""
    from calibprune.study.progress import StudyProgress

    with StudyProgress(1) as bar:
        yield lambda done, layers: bar.step(1 / layers) if done else bar.begin(title)


@app.command()
def corpora(
    sources: Annotated[
        list[str] | None, typer.Argument(help="sources to count; by default those that need no hub")
    ] = None,
    tokenizer: Annotated[str, typer.Option(help="count tokens with this model's tokenizer")] = "gemma3-270m",
) -> None:
    """What text there is, in numbers."""
    from rich.table import Table

    from calibprune.corpora.windows import count_tokens
    from calibprune.models.loading import load_tokenizer

    encoder = load_tokenizer(tokenizer)
    table = Table("source", "language", "split", *(f"{name:>10}" for name in ("texts", "characters", "tokens")))
    for source in sources or texts.packaged():
        for row in texts.summary(source).itertuples():
            tokens = count_tokens(encoder, source, row.language, row.split)
            table.add_row(
                source, row.language, row.split, f"{row.texts:>10,}", f"{row.characters:>10,}", f"{tokens:>10,}"
            )
    _console().print(table)


@app.command()
def fetch() -> None:
    """Bring what is not in a Python package into the user cache: the Declaration's text; and convert the default
    model.
    """
    from calibprune.models.loading import locate

    print(texts.fetch_udhr())
    print(locate("gemma3-270m"))
