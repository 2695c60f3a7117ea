#!/usr/bin/env bash
# Shared by the scripts that build: sourced, from the root of the checkout.

# Another checkout, or another folder, compiles the same: the cache need not know where it was. What
# differs is where a debugger would look for sources.
export CCACHE_NOHASHDIR=1

say() { printf '\n== %s\n' "$*"; }

# configure DIR OPTION...: a meson build directory with exactly these options; made anew when they
# change. Quiet unless it fails.
configure() {
  local dir=$1 wanted log status=0
  shift
  wanted="CXX=${CXX:-} $*"
  if [[ -f $dir/build.ninja && -f $dir/.options && $(<"$dir/.options") == "$wanted" ]]; then
    return 0
  fi
  rm -rf "$dir"
  mkdir -p "$dir"
  log=$(mktemp)
  meson setup "$dir" "$@" >"$log" 2>&1 || status=$?
  if ((status != 0)); then
    cat "$log"
  else
    printf '%s\n' "$wanted" >"$dir/.options"
  fi
  rm -f "$log"
  return "$status"
}

# compile DIR [TARGET...]: shows nothing but warnings and errors.
compile() {
  local dir=$1 log
  shift
  log=$(mktemp)
  # When a meson.build changed, meson runs again, and talks.
  ninja --quiet -C "$dir" build.ninja >"$log" 2>&1 || cat "$log"
  rm -f "$log"
  ninja --quiet -j "$(nproc)" -C "$dir" "$@" | sed '/^ninja: no work to do\.$/d'
}

# suite_targets DIR SUITE...: what has to be built for the tests of these suites, one a line.
suite_targets() {
  local dir=$1
  shift
  meson introspect --tests "$dir" | python3 -c '
import json, os, sys
root, suites = os.path.realpath(sys.argv[1]) + os.sep, set(sys.argv[2:])
tests = [test for test in json.load(sys.stdin)
         if suites & {suite.split(":")[-1] for suite in test["suite"]}]
programs = {os.path.realpath(test["cmd"][0]) for test in tests}
ours = sorted(path[len(root):] for path in programs if path.startswith(root))
print("lb/sluice", *ours, sep="\n")
' "$dir" "$@"
}
