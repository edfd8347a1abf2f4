"""The command line: `calibprune study | cells | prune | quantize | corpora | fetch`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import typer.exceptions

from calibprune.errors import INTERRUPTED, ended_in_one_line

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__.split(":")[0] + " of calibprune.")

Params = Annotated[Path, typer.Argument(help="a YAML file of parameters, for example params/embedded.yaml")]
Model = Annotated[str, typer.Argument(help="gemma3-270m, smollm2-135m, a local folder, or a hub id")]
Output = Annotated[Path, typer.Option(help="a new folder for the checkpoint")]
Source = Annotated[str, typer.Option(help="chromium, udhr, mc4, or file:PATH")]
Samples = Annotated[int, typer.Option(help="number of calibration windows")]
Length = Annotated[int, typer.Option(help="tokens in a window")]
Seed = Annotated[int, typer.Option(help="which draw of windows")]
GroupSize = Annotated[int, typer.Option(help="how many consecutive inputs share a scale")]
Symmetric = Annotated[bool, typer.Option(help="levels around 0; else each group spans its own range")]
Format = Annotated[str, typer.Option(help="dense, or compressed-tensors, which packs rounded weights")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]
Dtype = Annotated[str, typer.Option(help="auto, bfloat16, float16, float32")]


@app.command()
def study(params: Params) -> None:
    """Compute what a study lacks, and say where its records are. Interrupted, it goes on where it was."""
    from calibprune.study.study import Study

    chosen = Study.from_yaml(params)
    frame = chosen.run()
    print(f"{len(frame)} records of {len(chosen.cells())} cells in {chosen.store.root / 'cells'}")


@app.command()
def cells(params: Params) -> None:
    """List the cells of a study, with what is done."""
    from rich.console import Console
    from rich.table import Table

    from calibprune.study.study import Study

    chosen = Study.from_yaml(params)
    table = Table("cell", "id", "done", "seconds", "date")
    listed = chosen.cells()
    for cell in listed:
        known = chosen.store.provenance(cell) if chosen.store.has(cell) else {}
        seconds = f"{known['seconds_prune'] + known['seconds_measure']:.0f}" if known else ""
        table.add_row(cell.title, cell.id, "yes" if known else "no", seconds, known.get("date", ""))
    Console().print(table)
    print(f"{sum(map(chosen.store.has, listed))} of {len(listed)} cells done")


@app.command()
def prune(
    model: Model,
    output: Output,
    method: Annotated[str, typer.Option(help="a method that prunes; an unknown name lists them")] = "wanda",
    sparsity: Annotated[str, typer.Option(help="a fraction in [0, 1), or a pattern such as 2:4")] = "0.5",
    calibration: Annotated[
        str,
        typer.Option(help="a language or a mixture, for example de or ar+en; needed unless the method uses no text"),
    ] = "",
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
) -> None:
    """Prune a model, or prune and round it at once, and write it as a Hugging Face checkpoint with a model card."""
    from calibprune.corpora.windows import windows
    from calibprune.errors import ParameterError
    from calibprune.methods import pruner
    from calibprune.models import loading as models
    from calibprune.saving import checkpoint
    from calibprune.schemes import Grid, Sparsity
    from calibprune.study.parameters import mixture
    from calibprune.study.progress import StudyProgress
    from calibprune.walk import layerwise
    from calibprune.walk.outputs import check_length

    pattern = Sparsity.of(sparsity)
    grid = None if bits is None else Grid.of(bits, group_size, symmetric)
    _check_format(format, grid)
    needs_text = pruner(method).accumulate is not None
    if needs_text and not calibration:
        raise ParameterError(f"method {method} calibrates on text: give its language, for example --calibration de")
    languages = list(mixture(calibration)) if needs_text else []
    checkpoint.check_output(output)
    loaded, tokenizer = models.load(model, device, dtype)
    if needs_text:
        check_length(loaded, length)
    tokens = windows(tokenizer, source, languages, samples, length, seed) if needs_text else None
    with StudyProgress(loaded.config.num_hidden_layers) as bar:
        bar.begin(f"{model} {method} {pattern} {calibration}".rstrip())
        rounding = {} if grid is None else {"bits": bits, "group_size": group_size, "symmetric": symmetric}
        result = layerwise.prune(loaded, tokens, method, pattern, progress=lambda done, total: bar.step(), **rounding)
    settings = {"method": method, "sparsity": str(pattern)}
    if grid:
        settings |= {"bits": bits, "group-size": group_size, "symmetric": symmetric, "format": format}
    settings |= {"dtype": str(loaded.dtype).removeprefix("torch.")}
    if needs_text:
        settings |= {"calibration": calibration, "source": source, "samples": samples, "length": length, "seed": seed}
    _write(output, model, loaded, tokenizer, result, settings, format)
    rounded = f" and rounded to {bits} bits" if grid else ""
    print(f"{output}: {model} pruned with {method} to {pattern}{rounded} in {result.seconds:.0f} s")


@app.command()
def quantize(
    model: Model,
    output: Output,
    calibration: Annotated[str, typer.Option(help="a language or a mixture, for example de or ar+en")],
    method: Annotated[
        str | None, typer.Option(help="a method that rounds; by default GPTQ, an unknown name lists them")
    ] = None,
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
) -> None:
    """Quantize a model, with GPTQ by default, and write it as a Hugging Face checkpoint with a model card."""
    from calibprune.corpora.windows import windows
    from calibprune.methods import DEFAULT_QUANTIZER, quantizer
    from calibprune.models import loading as models
    from calibprune.saving import checkpoint
    from calibprune.schemes import Grid
    from calibprune.study.parameters import mixture
    from calibprune.study.progress import StudyProgress
    from calibprune.walk import layerwise
    from calibprune.walk.outputs import check_length

    method = method or DEFAULT_QUANTIZER
    quantizer(method)  # an unknown name is said before the model is loaded
    grid = Grid.of(bits, group_size, symmetric, act_order)
    _check_format(format, grid)
    languages = list(mixture(calibration))
    checkpoint.check_output(output)
    loaded, tokenizer = models.load(model, device, dtype)
    check_length(loaded, length)
    tokens = windows(tokenizer, source, languages, samples, length, seed)
    with StudyProgress(loaded.config.num_hidden_layers) as bar:
        bar.begin(f"{model} {method} {grid.pattern} {calibration}")
        result = layerwise.quantize(loaded, tokens, *grid, progress=lambda done, total: bar.step(), method=method)
    settings = {
        "method": method,
        "bits": bits,
        "group-size": group_size,
        "symmetric": symmetric,
        "act-order": act_order,
        "format": format,
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "calibration": calibration,
        "source": source,
        "samples": samples,
        "length": length,
        "seed": seed,
    }
    _write(output, model, loaded, tokenizer, result, settings, format)
    print(f"{output}: {model} quantized to {bits} bits in {result.seconds:.0f} s")


def _check_format(format: str, grid) -> None:
    """Said before the work of pruning: an unknown format, or one that cannot hold what will be there."""
    from calibprune.errors import ParameterError, one_of
    from calibprune.saving import compressed

    if format not in compressed.FORMATS:
        raise ParameterError(one_of("format", format, compressed.FORMATS))
    if format == compressed.PACKED:
        compressed.check(grid)


def _write(output: Path, model: str, loaded, tokenizer, result, settings: dict, format: str) -> None:
    from calibprune.models.packaged import PACKAGED
    from calibprune.saving import checkpoint, compressed

    licence = PACKAGED[model].licence if model in PACKAGED else ""
    packed = compressed.compress(loaded, result) if format == compressed.PACKED else None
    checkpoint.save(output, loaded, tokenizer, checkpoint.model_card(model, result, settings, licence), packed)


@app.command()
def corpora(
    sources: Annotated[
        list[str] | None, typer.Argument(help="sources to count; by default those that need no hub")
    ] = None,
    tokenizer: Annotated[str, typer.Option(help="count tokens with this model's tokenizer")] = "gemma3-270m",
) -> None:
    """What text there is, in numbers."""
    from rich.console import Console
    from rich.table import Table

    from calibprune.corpora import summary
    from calibprune.corpora.windows import count_tokens
    from calibprune.models.loading import load_tokenizer

    encoder = load_tokenizer(tokenizer)
    table = Table("source", "language", "split", *(f"{name:>10}" for name in ("texts", "characters", "tokens")))
    for source in sources or ["chromium", "udhr"]:
        for row in summary(source).itertuples():
            tokens = count_tokens(encoder, source, row.language, row.split)
            table.add_row(
                source, row.language, row.split, f"{row.texts:>10,}", f"{row.characters:>10,}", f"{tokens:>10,}"
            )
    Console().print(table)


@app.command()
def fetch() -> None:
    """Bring what is not in a Python package into the user cache: the Declaration's text; and convert the default
    model.
    """
    from calibprune.corpora import fetch_udhr
    from calibprune.models.loading import locate

    print(fetch_udhr())
    print(locate("gemma3-270m"))


def main() -> None:
    """Run the command line; what a user can cause ends with one line on standard error and status 1 (2 for a wrong
    option).
    """
    with ended_in_one_line("calibprune"):
        try:
            status = app(args=sys.argv[1:] or ["--help"], standalone_mode=False) or 0
        except typer.exceptions.TyperException as error:
            print(f"calibprune: {error.format_message().rstrip('.')}; see calibprune --help", file=sys.stderr)
            sys.exit(error.exit_code)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status)
