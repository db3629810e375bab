# Sourced by ./thalweg, ./test, .ci/run and bench/run: the Debian packages and how to install them.

runtime_packages=(gnuplot-nox)
build_packages=(g++ cmake make git libhwy-dev librandom123-dev libeigen3-dev
  libboost-dev libtomlplusplus-dev libcli11-dev libfmt-dev nlohmann-json3-dev zlib1g-dev
  libpng-dev libturbojpeg0-dev libpugixml-dev)
test_packages=(libgtest-dev libtorch-dev libopenblas0-pthread python3-numpy python3-dev python3-venv)
bench_packages=(libtorch-dev libopenblas0-pthread python3)
format_packages=(clang-format)

# What PyPI has for the Python package, to build it and to test it.
python_packages=(nanobind scikit-build-core numpy pytest)
# And by what its tests of types and of the notebook work, which are skipped without.
python_test_packages=(mypy nbclient ipykernel)
# What CMake is given besides a preset.
configure_arguments=()

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# missing_packages NAME...: those that dpkg does not have installed, one a line.
missing_packages() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# install_packages NAME...: installs what is missing on Debian and its kin; elsewhere, or with
# THALWEG_NO_INSTALL=1, it names what is needed and leaves the verdict to CMake.
install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "this is not a Debian system; wanted are the equivalents of: $*"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "${THALWEG_NO_INSTALL:-}" = 1 ]; then
    say "THALWEG_NO_INSTALL=1, so these packages stay missing: ${missing[*]}"
    return
  fi
  say "installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! apt_install "${missing[@]}" >"$log" 2>&1; then
    # The package lists may be absent or too old to fetch from.
    if ! { as_root apt-get update && apt_install "${missing[@]}"; } >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      rm -f "$log"
      say "could not install; as root, try: apt-get install ${missing[*]}"
      return 1
    fi
  fi
  rm -f "$log"
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" \
    </dev/null
}

# python_environment: a virtual environment in build/python with what the Python package is built and
# tested with, for configure_and_build. Where there is none to be had, it says so and goes on.
python_environment() {
  local folder=build/python log=build/python.log python=/usr/bin/python3
  configure_arguments+=(-DTHALWEG_PYTHON=OFF)
  [ -x "$python" ] || python=python3
  mkdir -p build
  if ! "$folder/bin/python" -c 'import nanobind, numpy, pytest, scikit_build_core' 2>/dev/null; then
    say "fetching ${python_packages[*]} into $folder (log: $log)"
    if ! { "$python" -m venv --clear "$folder" &&
      "$folder/bin/pip" install --disable-pip-version-check "${python_packages[@]}"; } >"$log" 2>&1; then
      say "the Python package is not tested: ${python_packages[*]} could not be had, see $log"
      return 0
    fi
  fi
  if ! "$folder/bin/python" -c 'import ipykernel, mypy, nbclient' 2>/dev/null; then
    "$folder/bin/pip" install --disable-pip-version-check "${python_test_packages[@]}" >>"$log" 2>&1 ||
      say "types and the notebook are not tested: ${python_test_packages[*]} could not be had, see $log"
  fi
  configure_arguments+=(-DTHALWEG_PYTHON=ON "-DPython_EXECUTABLE=$PWD/$folder/bin/python")
}

# configure_and_build PRESET [CMAKE-BUILD-ARGUMENT...]: build/PRESET, with the log in build/PRESET.log.
# Shows the share done on standard error; a failure prints the end of the log.
configure_and_build() {
  local preset=$1 log=build/$1.log
  shift
  mkdir -p build
  say "configuring (log: $log)"
  if ! command -v cmake >/dev/null; then
    say "cmake is missing; needed are: ${build_packages[*]}"
    return 1
  fi
  if ! cmake --preset "$preset" "${configure_arguments[@]}" >"$log" 2>&1; then
    show_failure "$log" "configuring"
    say "needed are (Debian's names): ${build_packages[*]}"
    return 1
  fi
  say "building build/$preset"
  if ! cmake --build "build/$preset" -j "$(nproc)" "$@" 2>&1 | tee -a "$log" | show_progress; then
    show_failure "$log" "building"
    return 1
  fi
}

show_failure() {
  tail -n 40 "$1" >&2
  say "$2 failed; the whole log is $1"
}

# Turns make's "[ 42%]" lines into one line that is rewritten, or into a line a quarter without a terminal.
show_progress() {
  local line share last=-25
  while IFS= read -r line; do
    [[ $line =~ ^\[\ *([0-9]+)%\] ]] || continue
    share=${BASH_REMATCH[1]}
    if [ -t 2 ]; then
      printf '\r%s: %3d %%' "$(basename "$0")" "$share" >&2
    elif [ "$share" -ge $((last + 25)) ]; then
      last=$share
      say "$share %"
    fi
  done
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}
