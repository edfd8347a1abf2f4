"""Two runs at once on the cores of one, SparseGPT on Gemma 3 270M: `python benchmarks/sharing.py`.

torch's threads look for work in a loop before they sleep, and while they look they keep a core from others. How long
they do is read when torch is imported, so that every way of waiting has two processes of its own; they are kept, load
the model once each (about 2 GB), and sleep while it is not their turn. Medians of --repeats turns, in each of which
every way is timed alone and twice at once. Say --ways GOMP_SPINCOUNT=1000 OMP_WAIT_POLICY=passive to try others.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

TODAY = "GOMP_SPINCOUNT=300000,KMP_BLOCKTIME=200"  # what the libraries do without being asked
OURS = ""  # calibprune chooses, since nothing is set
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
ALONE = 1.05
TOGETHER = 1.3


class Runs:
    """Two processes whose threads wait in one way; each is ready to prune once."""

    def __init__(self, way: str, arguments: Sequence[str]) -> None:
        settings = dict(setting.split("=", 1) for setting in way.split(",") if setting)
        environment = {name: value for name, value in os.environ.items() if name not in WAITING} | settings
        command = [sys.executable, __file__, *arguments, "--run"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.name = f"with {way}" if way else "with calibprune's own choice"
        self.processes = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)]
        self.alone: list[float] = []
        self.together: list[float] = []
        for process in self.processes:
            self._answer(process)

    def turn(self) -> None:
        """Time one alone, and both at once, of which the slower one counts."""
        self.alone.append(self._seconds(self.processes[:1]))
        self.together.append(self._seconds(self.processes))

    def end(self) -> None:
        for process in self.processes:
            process.communicate()

    def _seconds(self, processes: list[subprocess.Popen]) -> float:
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        seconds = max(float(self._answer(process)) for process in processes)
        for process in processes:
            self._answer(process)
        return seconds

    def _answer(self, process: subprocess.Popen) -> str:
        if answer := process.stdout.readline():
            return answer
        raise SystemExit(f"a process {self.name} ended with status {process.wait()}")


def run(chosen: argparse.Namespace) -> None:
    """One of the processes: says that it is ready, prunes fresh weights when told to, says how long that took, and so
    on until nothing more is asked.
    """
    import calibprune as cp  # before torch, as programs that use it do

    model, tokenizer = cp.load(chosen.checkpoint, device="cpu")
    tokens = cp.windows(tokenizer, chosen.source, ["de"], chosen.samples, chosen.length)
    fresh = {name: value.clone() for name, value in model.model.layers.state_dict().items()}
    print("ready", flush=True)
    while sys.stdin.readline():
        started = time.perf_counter()
        cp.prune(model, tokens, chosen.method, 0.5)
        print(time.perf_counter() - started, flush=True)
        model.model.layers.load_state_dict(fresh)
        print("ready", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samples", type=int, default=20, help="calibration windows")
    parser.add_argument("--length", type=int, default=256, help="tokens in a window")
    parser.add_argument("--method", default="sparsegpt")
    parser.add_argument("--checkpoint", default="gemma3-270m")
    parser.add_argument("--source", default="chromium")
    parser.add_argument("--ways", nargs="*", default=[], help="further ways: NAME=VALUE, several joined by commas")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        run(chosen)
        return
    sizes = {name: getattr(chosen, name) for name in ("samples", "length", "method", "checkpoint", "source")}
    arguments = [part for name, value in sizes.items() for part in (f"--{name}", str(value))]
    sides = [Runs(way, arguments) for way in (TODAY, OURS, *chosen.ways)]
    print(
        f"{os.cpu_count()} cores, {chosen.method} on {chosen.samples} × {chosen.length} tokens, {chosen.repeats} turns"
    )
    for _ in range(chosen.repeats):
        for side in sides:
            side.turn()
    before = statistics.median(sides[0].alone)
    for side in sides:
        alone, together = statistics.median(side.alone), statistics.median(side.together)
        print(
            f"{side.name}: alone {alone / before:.2f} of today's time ({alone:.2f} s; target at most {ALONE}), two at "
            f"once {together / (2 * alone):.2f} of one after the other ({together:.2f} s; target at most {TOGETHER})",
            flush=True,
        )
        side.end()


if __name__ == "__main__":
    main()
