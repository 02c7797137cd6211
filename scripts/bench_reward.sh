#!/usr/bin/env bash
# Measures a step of training by rewards beside TRL's RLOO trainer, in turns, and prints figures and ratios.
#
#   scripts/bench_reward.sh [--rounds N] [--steps N] [--limit SECONDS] [--dtype f32|bf16] [--checkpointing] [--layers N]
#
# Each is measured in 3 rounds of 2 steps after one that is not counted, in f32 and in bfloat16 (TRL: autocast). One that
# takes longer than the limit (1,200 s) is left out with a word. The model is a Llama of SmolLM2-135M's shape with random
# weights. A step draws 4 replies of 32 tokens to each of the 7 turns of 2 dialogues, with prompts of some 80 to 300
# tokens, from the model's own distribution; takes a reward that costs nothing, and 0.05 of the divergence from the model
# at the start off it; and makes one step of AdamW with the mean of the other replies to the same prompt as baseline.
#
# TRL draws all 56 replies at once and learns from 8 at a time, which is a pass as large as ours, and keeps the
# activations of each pass; --checkpointing measures it with gradient checkpointing too, its default, which needs less
# memory and more time. --layers makes the model smaller, to try the script. Memory is the peak of a process of its own.
#
# Both must have had the same prompts, number and mean length of replies, mean reward, and entropy of the first step:
# what does something else is not worth timing.
#
# The peers are installed into target/peers (some GB). Nothing else should run meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."

peers=target/peers
[ -x $peers/bin/python ] || python3 -m venv $peers
has() { $peers/bin/python -c "import $1" 2>/dev/null; }
has "torch, transformers, trl" || $peers/bin/python -m pip install --quiet torch transformers trl
cargo bench --quiet --bench reward --no-run
exec $peers/bin/python scripts/bench_reward.py "$@"
