#!/usr/bin/env bash
# Installs, by package name, everything that building and testing gemmac needs on a bare Debian 12. Asks nothing, may be
# run again at any time, and does nothing (and needs no network) where every package is already there.
set -euo pipefail

packages=(
  # compiler: LLVM, MLIR and lld as libraries; FileCheck, not, split-file and lit for the tests
  libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools lld-22 liblld-22-dev
  # the second compiler that the code is held against, and libFuzzer
  clang-22 libclang-rt-22-dev
  # build
  g++ cmake ninja-build ccache git ca-certificates
  # the runtime for aarch64, and running what is compiled for it in the tests
  g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
  # libraries
  libfmt-dev nlohmann-json3-dev libcli11-dev libxxhash-dev libprotobuf-dev protobuf-compiler zlib1g-dev libzstd-dev
  # tests: GoogleTest; python for the end-to-end scripts; readelf and strip; unshare and mount
  libgtest-dev python3 python3-numpy binutils util-linux mount
)

installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "install-deps: all ${#packages[@]} packages are there"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "install-deps: no apt-get here; install by hand: ${missing[*]}" >&2
  exit 3
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: neither root nor sudo; as root: apt-get install ${missing[*]}" >&2
    exit 3
  fi
  sudo=(sudo)
fi

echo "install-deps: installing ${missing[*]}"
apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
# An unreachable extra source is not our business as long as the packages can be had: the install decides.
"${apt[@]}" update </dev/null || echo "install-deps: apt-get update reported errors, going on" >&2
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null

for package in "${missing[@]}"; do
  if ! installed "$package"; then
    echo "install-deps: $package is still missing after apt-get install" >&2
    exit 3
  fi
done
echo "install-deps: done"
