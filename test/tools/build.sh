#!/usr/bin/env bash
# Makes the real programs that tests run against, each once, in the user's cache, under a name with its version. The
# machine itself stays as it is: nothing is installed, and no daemon is started.
#
#   test/tools/build.sh             all of them; goes on after one that cannot be had, and fails at the end
#   test/tools/build.sh versitygw   one (or several); prints the path of each
set -euo pipefail

# What is quick comes first, so that tests that need little can start early.
all=(redis-server nginx prometheus promtool python compose-loader telemetrygen versitygw collector jaeger)
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tasktrail-test

tool() {
  case $1 in
  redis-server) debian_program redis-server "$1" with-libraries ;;
  nginx) debian_program nginx "$1" with-libraries ;;
  prometheus | promtool) debian_program prometheus "$1" ;;
  python) python_with "$here/requirements.txt" ;;
  compose-loader) go_module "$1" . ;;
  telemetrygen) go_program "$1" v0.161.0 github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen ;;
  versitygw) go_program "$1" v1.7.0 github.com/versity/versitygw/cmd/versitygw ;;
  collector) "$here/../../collector/build.sh" ;;
  jaeger) go_module "$1" github.com/jaegertracing/jaeger/cmd/jaeger ;;
  *) fail "there is no such tool, only: ${all[*]}" ;;
  esac
}

fail() {
  echo "$name cannot be had: $*" >&2
  exit 1
}

# A directory to work in, beside the place where the result goes, so that a rename makes it whole or not at all.
begin() {
  work=$(mktemp -d "$cache/building-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "making $name" >&2
}

go_program() {
  local built=$cache/$1-$2
  if [ ! -x "$built" ]; then
    command -v go >/dev/null || fail 'there is no Go to build it'
    begin
    GOBIN=$work go install -trimpath "$3@$2" >&2
    mv -f "$work/$(basename "$3")" "$built"
  fi
  echo "$built"
}

# A package of the module in the folder of that name, pinned with the sums of all that it is made of.
go_module() {
  local built
  built=$cache/$1-$(cat "$here/$1"/* | cksum | cut -d ' ' -f 1)
  if [ ! -x "$built" ]; then
    command -v go >/dev/null || fail 'there is no Go to build it'
    begin
    # Not optimized: Jaeger is made in two thirds of the time, and has little to do in a test.
    (cd "$here/$1" && go build -mod=readonly -buildvcs=false -trimpath -gcflags='all=-N -l -dwarf=false' \
      -ldflags='-s -w' -o "$work/$1" "$2") >&2
    mv -f "$work/$1" "$built"
  fi
  echo "$built"
}

# A virtual environment works where it is moved to, as long as nothing but its python3 is called.
python_with() {
  local built
  built=$cache/python-$(cksum <"$1" | cut -d ' ' -f 1)
  if [ ! -d "$built" ]; then
    command -v python3 >/dev/null || fail 'there is no python3'
    begin
    python3 -m venv "$work/python" >&2 || fail 'python3 -m venv failed (Debian: apt-get install python3-venv)'
    "$work/python/bin/python3" -m pip install --quiet --requirement "$1" >&2
    # -T: never into a directory that another has made meanwhile.
    mv -T "$work/python" "$built" 2>/dev/null || [ -d "$built" ]
  fi
  echo "$built/bin/python3"
}

# The program that is installed, or that of Debian's package, unpacked. Which version that is Debian decides.
debian_program() {
  local package=$1 program=$2 built=$cache/debian-$1
  if command -v "$program"; then return; fi
  if [ ! -d "$built" ]; then
    local help="to run these tests: apt-get install $package"
    [ "$(id -u)" = 0 ] || fail "not root, so Debian is not asked for it; $help"
    command -v apt-get >/dev/null || fail "this is no Debian; $help"
    begin
    unpack "$package" "${3:-}" >&2
    mv -T "$work/root" "$built" 2>/dev/null || [ -d "$built" ]
  fi
  [ -x "$built/$program" ] || fail "Debian's $package holds no $program"
  echo "$built/$program"
}

# Gives "$work/root": the package's files, and for each program a script beside them that finds its libraries.
unpack() {
  local packages=$1 path libraries
  cd "$work"
  # The lists are empty on a fresh container.
  apt-get download --print-uris "$1" >/dev/null 2>&1 || locked apt apt-get update
  if [ "$2" = with-libraries ]; then
    packages=$(apt-get install --simulate --no-install-recommends "$1" | sed -n 's/^Inst \([^ ]*\).*/\1/p')
  fi
  [ -n "$packages" ] || fail "apt-get install --simulate $1 names no package"
  # apt fetches as a user of its own, who may not write here; as root it does.
  # shellcheck disable=SC2086
  apt-get -o APT::Sandbox::User=root download $packages
  for path in *.deb; do dpkg -x "$path" root; done
  libraries='$root/usr/lib:$root/lib'
  for path in root/usr/lib/*-linux-*; do libraries+=":\$root/usr/lib/$(basename "$path")"; done
  for path in root/usr/bin/* root/usr/sbin/*; do
    # A package without a program in one of the two leaves the pattern.
    [ -e "$path" ] || continue
    printf '#!/bin/sh\nroot=$(dirname "$0")\nLD_LIBRARY_PATH="%s" exec "$root/%s" "$@"\n' \
      "$libraries" "${path#root/}" >"root/$(basename "$path")"
    chmod +x "root/$(basename "$path")"
  done
}

# One process at a time; where there is no flock, two would do the same work, and the second result replaces the first.
locked() {
  local lock=$cache/$1.lock
  shift
  if command -v flock >/dev/null; then
    # Not handed on: what a build leaves running must not hold it.
    (
      flock 9
      "$@" 9>&-
    ) 9>"$lock"
  else
    "$@"
  fi
}

main() {
  local name failed=0
  mkdir -p "$cache"
  for name in "${@:-${all[@]}}"; do
    # In a shell of its own, which ends at the first thing that fails.
    set +e
    (
      set -e
      locked "$name" tool "$name"
    )
    [ $? = 0 ] || failed=1
    set -e
  done
  exit $failed
}

# Read to its end before anything is done: the file may change while Jaeger is being built.
main "$@"
