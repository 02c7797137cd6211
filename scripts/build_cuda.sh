#!/usr/bin/env bash
# Builds valuenet for NVIDIA GPUs, and says which shared libraries the program needs where it runs.
#
#   scripts/build_cuda.sh [COMPUTE_CAPABILITY [tests]]
#
# Takes the CUDA toolkit of the system (nvcc on the path, or CUDA_HOME); where there is none, NVIDIA's compiler and libraries
# from PyPI, unpacked into target/cuda: no GPU, no driver and no root are needed to build. The compute capability, such as 80
# (A100) or 90 (H100, H200), is that of this machine's GPU if it has one, otherwise 80, which newer GPUs run too. With
# `tests`, the tests are built too, and both programs packed, to be run where there is a GPU but no Rust.
set -euo pipefail
cd "$(dirname "$0")/.."

detected=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d .) || true
export CUDA_COMPUTE_CAP=${1:-${detected:-80}}

if [ -z "${CUDA_HOME:-}" ] && command -v nvcc >/dev/null; then
    CUDA_HOME=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
fi
if [ -z "${CUDA_HOME:-}" ]; then
    CUDA_HOME=$PWD/target/cuda/nvidia/cu13
    if [ ! -x "$CUDA_HOME/bin/nvcc" ]; then
        wheels=$(mktemp -d)
        trap 'rm -rf "$wheels"' EXIT
        python3 -m pip download --quiet --no-deps --dest "$wheels" \
            nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 \
            nvidia-cuda-cccl==13.0.85 nvidia-cuda-nvrtc==13.0.88 nvidia-cublas==13.0.2.14 nvidia-curand==10.4.0.35
        for wheel in "$wheels"/*.whl; do
            python3 -m zipfile -e "$wheel" target/cuda
        done
        find "$CUDA_HOME" -type f \( -path '*/bin/*' -o -name cicc \) -exec chmod +x {} +
        for library in "$CUDA_HOME"/lib/*.so.*; do # linkers look for names without a version
            ln -sf "$(basename "$library")" "${library%%.so.*}.so"
        done
        ln -sfn lib "$CUDA_HOME/lib64"
    fi
fi
export CUDA_HOME CUDA_PATH=$CUDA_HOME NVCC=$CUDA_HOME/bin/nvcc PATH=$CUDA_HOME/bin:$PATH
export LIBRARY_PATH=$CUDA_HOME/lib:$CUDA_HOME/lib64:$CUDA_HOME/lib64/stubs:${LIBRARY_PATH:-}

cargo build --release --features cuda --lib
if [ -d target/cuda ]; then
    # The driver's library, which only a machine with a GPU has, is linked by its name: this one holds the names alone.
    stubs=$CUDA_HOME/lib64/stubs
    mkdir -p "$stubs"
    nm -u target/release/deps/libcudarc-*.rlib 2>/dev/null | awk '/ U cu[A-Z]/ { print "void " $2 "(void) {}" }' | sort -u |
        cc -x c -w -shared -Wl,-soname,libcuda.so.1 -o "$stubs/libcuda.so" -
fi
cargo build --release --features cuda
strip -o target/valuenet-cuda target/release/valuenet
echo "target/valuenet-cuda, compute capability $CUDA_COMPUTE_CAP, needs where it runs:"
readelf -d target/valuenet-cuda | sed -n 's/.*(NEEDED).*\[\(.*\)\]/  \1/p'

if [ "${2:-}" = tests ]; then
    tests=$(cargo test --release --features cuda --test tests --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\/tests-[^"]*\)".*/\1/p')
    strip -o target/valuenet-cuda-tests "$tests"
    gzip --keep --force target/valuenet-cuda target/valuenet-cuda-tests
    echo "target/valuenet-cuda-tests, for scripts/test_cuda.sh; both packed, to be carried elsewhere:"
    du -h target/valuenet-cuda.gz target/valuenet-cuda-tests.gz
fi
