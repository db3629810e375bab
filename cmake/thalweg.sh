#!/usr/bin/env bash
# Builds what changed, then runs the tool: ./thalweg COMMAND …  THALWEG_NO_INSTALL=1 installs nothing.
set -euo pipefail

root=$(cd -P "${BASH_SOURCE[0]%/*}" && pwd)
binary=$root/build/release/bin/thalweg
stamp=$root/build/release/built

up_to_date() {
  [ -x "$binary" ] && [ -e "$stamp" ] &&
    [ -z "$(find "$root"/{src,cli,cmake,CMakeLists.txt,CMakePresets.json} -newer "$stamp" -print -quit)" ]
}

build() {
  cd "$root"
  . cmake/setup.sh
  install_packages "${build_packages[@]}" "${runtime_packages[@]}"
  mkdir -p build/release
  exec 9>build/release/lock
  flock 9
  ! up_to_date || return 0  # Another call was building.
  # The stamp is as old as the start, so an edit made during the build is not missed.
  touch build/release/started
  configure_and_build release --target thalweg
  mv build/release/started "$stamp"
}

up_to_date || (build)
exec "$binary" "$@"
