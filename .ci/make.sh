# shellcheck shell=bash
# Builds of the package and the page: the commands build, package, demo, bench and clean.

# Builds with a profile of Cargo.toml, `wasm` by default.
build_wasm() {
  local profile="${1:-wasm}"
  # Without wasm-opt: measured, it makes the file 6 % smaller, but only 0.1 % after brotli.
  say "wasm"
  cargo build --locked --lib --target wasm32-unknown-unknown --profile "$profile"
  "$WASM_BINDGEN" --target web --out-dir www/lib/pkg --out-name gemma_web --remove-name-section --remove-producers-section \
    "$TARGET/wasm32-unknown-unknown/$profile/gemma_web.wasm"
}

build_lib() {
  say "library (dist/gemma-web)"
  rm -rf dist/gemma-web
  # Only the declarations carry comments; in the code they would be a quarter of the bytes that a page without a bundler fetches.
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
  # Without install scripts: their downloads are for Node.js.
  need_packages "$peers" --ignore-scripts
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
