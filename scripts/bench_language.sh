#!/usr/bin/env bash
# Measures our language models beside PyTorch with transformers, and llama.cpp, in turns, and prints figures and ratios.
#
#   scripts/bench_language.sh [--rounds N] [--steps N] [--limit SECONDS] [--only train|generate] [--dtype f32|bf16]
#
# Each is measured in 3 rounds, training for 4 steps after 2 that are not counted. One that takes longer than the limit
# (600 s) is left out with a word, as PyTorch in bfloat16 may be on a CPU without instructions for it. The model is a
# Llama of SmolLM2-135M's shape with random weights, which all open: training on batches of 8 sequences of 60 to 260
# tokens, the loss on the last 15, with AdamW and clipping, in f32 and in bfloat16 (PyTorch: autocast); and greedy
# generation of 32 tokens after prompts of 150, one and 32 at once. Rates count real tokens, no padding; memory is the
# peak of a process of its own. llama.cpp has the same weights in the same precision, for one prompt.
#
# Each first loss and each generated token is compared too: what computes something else is not worth timing.
#
# The peers are installed into target/peers (some GB; llama.cpp is compiled, which takes some minutes, and left out with
# a word if that fails). Nothing else should run meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."

peers=target/peers
[ -x $peers/bin/python ] || python3 -m venv $peers
has() { $peers/bin/python -c "import $1" 2>/dev/null; }
has "torch, transformers, numpy, gguf" || $peers/bin/python -m pip install --quiet torch transformers numpy gguf
if ! has llama_cpp; then
    echo "building llama.cpp ..." >&2
    CMAKE_ARGS=-DLLAVA_BUILD=OFF $peers/bin/python -m pip install --verbose llama-cpp-python >$peers/llama-cpp.log 2>&1 ||
        echo "llama.cpp is left out: it does not build here, see $peers/llama-cpp.log" >&2
fi
cargo bench --quiet --bench language --no-run
exec $peers/bin/python scripts/bench_language.py "$@"
