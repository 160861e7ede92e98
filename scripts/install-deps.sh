#!/bin/sh
# Installs the Debian 12 packages that BigMac builds and runs with, if any is missing.
set -eu
packages="clang-22 lld-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools clang-format-22
ccache ninja-build cmake make g++ git python3 protobuf-compiler libprotobuf-dev libopenmpi-dev openmpi-bin
libopenblas-dev nlohmann-json3-dev libcli11-dev libgtest-dev libgmock-dev libonnx-testdata
zlib1g-dev chromium"

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
run=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "error: not root and no sudo; as root: apt-get install$missing" >&2; exit 1; }
  run=sudo
fi
$run apt-get update -q
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
