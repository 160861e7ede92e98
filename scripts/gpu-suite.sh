#!/bin/sh
# Runs everything of the runtime that needs GPUs, on a machine that has them: gpu-suite.sh [BIN]
# BIN: the folder with the programs, default build/bin. They may have been built on a machine without
# a GPU. Needs mpirun, the NVIDIA driver, cuBLASLt, cuDNN and, for two GPUs or more, NCCL in
# LD_LIBRARY_PATH.
# With compute-sanitizer in the PATH, the device's suite runs under its checkers as well.
bin=${1:-build/bin}
failed=0
run() {
  echo "== $*"
  "$@" || failed=1
}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
run "$bin/BigMacCudaDeviceTests" --gtest_brief=1
run "$bin/BigMacRuntimeTests" --gtest_brief=1 --gtest_filter='Conformance.Nccl:Gpu.*:Gpus.*'
# The tests of whole runs, with the fixture as a program for GPUs.
run env BM_FIXTURE_TARGET=cuda "$bin/BigMacRuntimeTests" --gtest_brief=1 \
  --gtest_filter='Worlds/Training.*:Resume.*:Offload.*:Run.SameBitsTwice:Run.Shuffle*:Run.Trace*:Poison.*:BadStep.*'
if command -v compute-sanitizer >/dev/null; then
  # Without the tests that make errors on purpose, and without the libraries' own kernels.
  for tool in memcheck racecheck initcheck synccheck; do
    run compute-sanitizer --tool $tool --error-exitcode 9 \
      "$bin/BigMacCudaDeviceTests" --gtest_brief=1 \
      --gtest_filter='-CudaDeviceTest.Errors*:*DeathTest*:CudaDeviceTest.OneThat*:*CudaMatmul*:*CudaAttention*:CudaIndexErrors.*'
  done
fi
[ $failed = 0 ] && echo "gpu suite: passed" || echo "gpu suite: FAILED"
exit $failed
