#!/usr/bin/env bash
# Builds or downloads the programs that tests run against, once per version, into the user's cache. Starts no daemon, and
# installs nothing on the machine but Chromium, which does not run from another place.
#
#   test/tools/build.sh             all programs but overlays; continues after a failure and exits with 1 at the end
#   test/tools/build.sh versitygw   one or several; prints the path of each
set -euo pipefail

# Ordered by build time, so that tests with few needs can start early.
all=(disk-faults redis-server nginx chromium prometheus promtool python compose-loader telemetrygen versitygw victoria-logs schemathesis collector jaeger)
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tasktrail-test

tool() {
  case $1 in
  redis-server) debian_program redis-server "$1" with-libraries ;;
  chromium) installed_chromium ;;
  nginx) debian_program nginx "$1" with-libraries ;;
  prometheus | promtool) debian_program prometheus "$1" ;;
  python) python_with "$here/requirements.txt" ;;
  schemathesis) python_with "$here/schemathesis.txt" ;;
  compose-loader) go_module "$1" . ;;
  telemetrygen) go_program "$1" v0.161.0 github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen ;;
  versitygw) go_program "$1" v1.7.0 github.com/versity/versitygw/cmd/versitygw ;;
  victoria-logs) go_program "$1" v1.52.1 github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs ;;
  disk-faults) c_library "$1" ;;
  collector) "$here/../../collector/build.sh" ;;
  # Not one of `all`: it takes ten minutes of CPU time.
  overlays) MANIFEST=$here/../../collector/overlays/builder.yaml "$here/../../collector/build.sh" ;;
  jaeger) go_module "$1" github.com/jaegertracing/jaeger/cmd/jaeger ;;
  *) fail "unknown tool; the tools are ${all[*]}" ;;
  esac
}

fail() {
  echo "$name is not available: $*" >&2
  exit 1
}

# A temporary directory on the file system of the cache, so that the result is renamed into place atomically.
begin() {
  work=$(mktemp -d "$cache/building-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "building $name" >&2
}

go_program() {
  local built=$cache/$1-$2
  if [ ! -x "$built" ]; then
    command -v go >/dev/null || fail 'Go is not installed'
    begin
    GOBIN=$work go install -trimpath "$3@$2" >&2
    mv -f "$work/$(basename "$3")" "$built"
  fi
  echo "$built"
}

# Builds the library of the folder $1 for LD_PRELOAD.
c_library() {
  local built
  built=$cache/$1-$(cat "$here/$1"/* | cksum | cut -d ' ' -f 1).so
  if [ ! -f "$built" ]; then
    [ "$(uname)" = Linux ] || fail 'LD_PRELOAD is of Linux'
    command -v cc >/dev/null || fail 'there is no C compiler (Debian: apt-get install gcc libc6-dev)'
    begin
    cc -shared -fPIC -O2 -o "$work/library.so" "$here/$1/$1.c" -ldl >&2 || fail 'it does not compile'
    mv -f "$work/library.so" "$built"
  fi
  echo "$built"
}

# Builds a package of the Go module in the folder $1, whose go.sum pins all dependencies.
go_module() {
  local built
  built=$cache/$1-$(cat "$here/$1"/* | cksum | cut -d ' ' -f 1)
  if [ ! -x "$built" ]; then
    command -v go >/dev/null || fail 'Go is not installed'
    begin
    # Without optimization Jaeger builds in two thirds of the time. Tests do not need its speed.
    (cd "$here/$1" && go build -mod=readonly -buildvcs=false -trimpath -gcflags='all=-N -l -dwarf=false' \
      -ldflags='-s -w' -o "$work/$1" "$2") >&2
    mv -f "$work/$1" "$built"
  fi
  echo "$built"
}

# A virtual environment can be moved as long as only its python3 is called: other scripts have the old path.
python_with() {
  local built
  built=$cache/python-$(cksum <"$1" | cut -d ' ' -f 1)
  if [ ! -d "$built" ]; then
    command -v python3 >/dev/null || fail 'python3 is not installed'
    begin
    python3 -m venv "$work/python" >&2 || fail 'python3 -m venv failed (Debian: apt-get install python3-venv)'
    "$work/python/bin/python3" -m pip install --quiet --requirement "$1" >&2
    # -T: fails instead of moving into a directory that a concurrent build created.
    mv -T "$work/python" "$built" 2>/dev/null || [ -d "$built" ]
  fi
  echo "$built/bin/python3"
}

# The installed program, or the program of Debian's package, unpacked into the cache in the version that Debian has.
debian_program() {
  local package=$1 program=$2 built=$cache/debian-$1
  if command -v "$program"; then return; fi
  if [ ! -d "$built" ]; then
    local help="to run these tests: apt-get install $package"
    [ "$(id -u)" = 0 ] || fail "apt-get needs root; $help"
    command -v apt-get >/dev/null || fail "there is no apt-get; $help"
    begin
    unpack "$package" "${3:-}" >&2
    mv -T "$work/root" "$built" 2>/dev/null || [ -d "$built" ]
  fi
  [ -x "$built/$program" ] || fail "Debian's package $package does not contain $program"
  echo "$built/$program"
}

# Chromium reads fonts and settings from /etc and /usr/share, so Debian's package is installed where it belongs.
installed_chromium() {
  local program help='to run these tests: apt-get install chromium fonts-liberation'
  for program in chromium chromium-browser google-chrome-stable google-chrome; do
    if command -v "$program"; then return; fi
  done
  [ "$(id -u)" = 0 ] || fail "apt-get needs root; $help"
  command -v apt-get >/dev/null || fail "there is no apt-get; $help"
  echo "installing $name" >&2
  # A fresh container has no package lists.
  apt-get download --print-uris chromium >/dev/null 2>&1 || locked apt apt-get update >&2
  DEBIAN_FRONTEND=noninteractive locked apt apt-get install --yes --no-install-recommends chromium fonts-liberation >&2 ||
    fail "$help"
  command -v chromium
}

# Creates "$work/root": the files of the package, and for each program a wrapper script that sets its library path.
unpack() {
  local packages=$1 path libraries
  cd "$work"
  # A fresh container has no package lists.
  apt-get download --print-uris "$1" >/dev/null 2>&1 || locked apt apt-get update
  if [ "$2" = with-libraries ]; then
    packages=$(apt-get install --simulate --no-install-recommends "$1" | sed -n 's/^Inst \([^ ]*\).*/\1/p')
  fi
  [ -n "$packages" ] || fail "apt-get install --simulate $1 names no package"
  # By default apt downloads as the user _apt, who cannot write here.
  # shellcheck disable=SC2086
  apt-get -o APT::Sandbox::User=root download $packages
  for path in *.deb; do dpkg -x "$path" root; done
  libraries='$root/usr/lib:$root/lib'
  for path in root/usr/lib/*-linux-*; do libraries+=":\$root/usr/lib/$(basename "$path")"; done
  for path in root/usr/bin/* root/usr/sbin/*; do
    # Without a match the glob stays as it is.
    [ -e "$path" ] || continue
    printf '#!/bin/sh\nroot=$(dirname "$0")\nLD_LIBRARY_PATH="%s" exec "$root/%s" "$@"\n' \
      "$libraries" "${path#root/}" >"root/$(basename "$path")"
    chmod +x "root/$(basename "$path")"
  done
}

# One process at a time. Without flock two processes build the same program, and the second result replaces the first.
locked() {
  local lock=$cache/$1.lock
  shift
  if command -v flock >/dev/null; then
    # 9>&-: a background process of the build must not inherit the lock.
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
    # A subshell, so that `set -e` ends only this tool.
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

# In a function, so that bash parses the whole file first: the file may change during a long build.
main "$@"
