#!/usr/bin/env bash
# The first quarter of an hour on a GPU: whether the kernels are right there, and how fast.
#
#     benchmarks/gpu_first.sh [--tiny] [--folder DIR] [PART ...]
#
# PART is tests, kernels, cells, model or stream; all five without one, the most telling first. They are made for one
# H100 or H200 and stay below 12 minutes together: every part has a limit, and within it a row repeats no more once its share is
# used up. Rows are written as soon as they are measured, to book/results/benchmarks or DIR, in a file named after the
# GPU. CELL_ARGUMENTS goes to benchmarks/cells.py, such as "--checkpoint DIR --source file:DIR/{language}.txt" where the
# packages with the model and the text are not installed; PYTHON is the Python that is used. --tiny has the same steps
# in small sizes, for a machine without a GPU. The status is 0 where every part ended well.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
export PYTHONPATH=$PWD:$PWD/book${PYTHONPATH:+:$PYTHONPATH}

tiny= folder=() parts=()
while (($#)); do
    case $1 in
        --tiny) tiny=yes ;;
        --folder) folder=(--folder "$2"); shift ;;
        tests | kernels | cells | model | stream) parts+=("$1") ;;
        *) echo "gpu_first.sh: $1: give tests, kernels, cells, model, stream, --tiny or --folder DIR" >&2; exit 2 ;;
    esac
    shift
done
((${#parts[@]})) || parts=(tests kernels cells model stream)
keep=(--write "${folder[@]}")
if [[ -n $tiny ]]; then
    tests=(tests/calibprune/kernels/test_triton_norms.py)
    kernels=(--rows 24 --width 160 --tokens 40 --peak-size 32 --group-size 32 --repeats 1 --checkpoint "")
    cells=(--samples 4 --length 32 --group-size 16)
    model=(--layers 2 --width 32 --mlp 64 --heads 4 --key-heads 2 --head-width 8 --samples 3 --length 16 --group-size 32
           --repeats 1)
    stream=(--layers 2 --width 32 --mlp 64 --heads 4 --key-heads 2 --head-width 8 --samples 3 --length 16 --repeats 1)
    keep+=(--dtype float32)
else
    tests=(tests/calibprune/kernels tests/calibprune/test_on_a_gpu.py)
    kernels=(--limit 20)
    cells=()
    # the windows of the targets (128) would take the whole quarter of an hour
    model=(--samples "${MODEL_SAMPLES:-16}" --repeats 3 --limit 30)
    stream=(--layers 4 --samples 16 --repeats 1)
fi
read -ra more <<<"${CELL_ARGUMENTS:-}"

# a limit is for a GPU; whoever tries the steps elsewhere may have a machine that is slow and busy
((slack = ${#tiny} ? 10 : 1))
# $1: seconds that the part may take; the rest: its command
limited() {
    timeout --kill-after=10 $(($1 * slack)) "$python" "${@:2}"
}

failed=()
for part in "${parts[@]}"; do
    echo "== $part, $(date -u +%T)"
    case $part in
        tests) limited 150 -m pytest -q -p no:cacheprovider -n "${WORKERS:-8}" "${tests[@]}" ;;
        kernels) limited 180 benchmarks/kernels.py "${kernels[@]}" "${keep[@]}" ;;
        cells) limited 120 benchmarks/cells.py "${cells[@]}" "${more[@]}" "${keep[@]}" ;;
        model) limited 180 benchmarks/model.py "${model[@]}" "${keep[@]}" ;;
        stream) limited 90 benchmarks/streaming.py "${stream[@]}" "${keep[@]}" ;;
    esac || failed+=("$part")
done
echo "== end, $(date -u +%T)"
((${#failed[@]} == 0)) || { echo "did not end well: ${failed[*]}" >&2; exit 1; }
