#!/bin/sh
# Compiles the digits MLLM for four CPU ranks and trains it: demo.sh BUILD_FOLDER STEPS
set -eu
build=$(cd "$1" && pwd)
steps=$2
here=$(cd "$(dirname "$0")" && pwd)
out=$build/demo
mkdir -p "$out"

echo "Compiling examples/digits/model.onnx for 4 ranks x 2 chunks, bigmac schedule"
"$build/bin/bigmac-opt" "$here/model.onnx" --ranks=4 --chunks=2 --microbatches=8 --timing \
  --report="$out/report.json" -o "$out/train"

# Open MPI refuses to run as root, as in a container, unless told otherwise.
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
echo "Training for $steps steps"
mpirun -np 4 --oversubscribe "$out/train" --data "$here/data" --steps "$steps" --lr 2e-3 \
  --warmup 10 --schedule cosine --clip 1.0 --save "$out/weights" --log "$out/log.jsonl"
echo "Weights, log and report are in $out"
