#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The story of ./quickstart on small files: CSV and JSON lines, twice into the same folder, and its
# refusal of a folder that is not its own.  test_quickstart.sh SOURCE_ROOT BUILD_ROOT
set -eu

source_root=$1
build_root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$1"
    exit 1
}

story() {
    "$source_root/quickstart" --no-install --programs "$build_root/bin" --dir "$work/data" "$@" \
        >"$work/out" 2>&1 || { cat "$work/out"; fail "quickstart failed with: $*"; }
    cat "$work/out"
    grep -q 'found: exit code' "$work/out" || fail "the forged byte was not reported"
    grep -q 'proven  *entry' "$work/out" || fail "no entry was proven"
    grep -q '\.blk' "$work/out" || fail "the file of the forged byte was not named"
}

i=0
echo 'id,name,amount' >"$work/records.csv"
while [ "$i" -lt 500 ]; do
    echo "invoice:$i,customer $((i % 7)),$((i * 13))" >>"$work/records.csv"
    echo "{\"type\":\"put\",\"key\":\"k$i\",\"value\":\"value of $i\"}" >>"$work/records.jsonl"
    i=$((i + 1))
done

story "$work/records.csv" --key-field id
story "$work/records.jsonl"

mkdir "$work/foreign"
echo mine >"$work/foreign/file"
if "$source_root/quickstart" --no-install --programs "$build_root/bin" --dir "$work/foreign" \
    "$work/records.jsonl" >"$work/out" 2>&1; then
    fail "quickstart replaced a folder that it did not make"
fi
[ "$(cat "$work/foreign/file")" = mine ] || fail "quickstart changed a folder that it did not make"
