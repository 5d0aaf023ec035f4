#!/usr/bin/env bash
# Builds the collector of builder.yaml, for machines without Docker. Needs Go; the first build takes about three minutes.
#
#   collector/build.sh              prints the path of the program in the user's cache
#   collector/build.sh ./collector  also copies the program to ./collector
#   MANIFEST=collector/overlays/builder.yaml collector/build.sh
#                                   the collector of another manifest, beside its go.sum
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
manifest=${MANIFEST:-$here/builder.yaml}
sums=$(cd "$(dirname "$manifest")" && pwd)/go.sum
version=$(sed -n 's/^  version: *//p' "$manifest")
# A changed manifest gets a program of its own.
key=$(cksum <"$manifest" | cut -d ' ' -f 1)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tasktrail-test
built=$cache/collector-$version-$key

build() {
  command -v go >/dev/null || {
    echo 'collector/build.sh: Go is not installed (https://go.dev/dl). The image' \
      "otel/opentelemetry-collector-contrib:$version contains the same collector." >&2
    exit 1
  }
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/building-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "building the collector $version: this takes some minutes" >&2
  GOBIN=$work go install "go.opentelemetry.io/collector/cmd/builder@v$version" >&2
  sed "s|^  output_path:.*|  output_path: $work/source|" "$manifest" >"$work/builder.yaml"
  # The builder's own `go mod tidy` also fetches test dependencies of dependencies, which some module mirrors lack.
  "$work/builder" --config "$work/builder.yaml" --skip-get-modules --skip-compilation >&2
  cp "$sums" "$work/source/go.sum"
  (cd "$work/source" && go build -mod=mod -trimpath -ldflags='-s -w' -o "$work/collector" .) >&2
  # An atomic rename: concurrent builds never leave a partial file.
  mv -f "$work/collector" "$built"
}

[ -x "$built" ] || build
if [ $# -gt 0 ]; then
  cp "$built" "$1.new$$"
  mv -f "$1.new$$" "$1"
  built=$1
fi
echo "$built"
