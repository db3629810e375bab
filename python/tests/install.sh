#!/bin/sh
# install.sh PYTHON PACKAGE PREFIX FOLDER: installs the package by pip into a new environment in FOLDER,
# linked to the Thalweg in PREFIX, and runs its quick start there.
set -eu
python=$1 package=$2 prefix=$3 folder=$4
"$python" -m venv --clear "$folder"
found=$(find "$prefix" -name thalwegConfig.cmake)
"$folder/bin/pip" install --disable-pip-version-check "$package" \
  --config-settings=cmake.define.thalweg_DIR="${found%/*}" --config-settings=build-dir="$folder/build"
cd "$folder"
bin/python -W error "$package/examples/quick_start.py"
