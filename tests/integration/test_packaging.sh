#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is installed around the programs: units, HAProxy, logrotate, Prometheus, profiles, scripts.
#   test_packaging.sh SOURCE_ROOT BUILD_ROOT
set -eu

source_root=$1
build_root=$2
packaging=$source_root/packaging
server=$build_root/src/bin/server/blockdb-server
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$PATH:/usr/sbin:/sbin

fail() {
    echo "$1" >&2
    exit 1
}

echo "the unit is hardened"
score=$(systemd-analyze security --offline=true "$build_root/packaging/blockdb.service" |
    sed -n 's/.*Overall exposure level[^:]*: \([0-9.]*\).*/\1/p')
[ -n "$score" ] || fail "systemd-analyze told no score"
awk -v score="$score" 'BEGIN { exit !(score <= 1.5) }' || fail "exposure $score is above 1.5"

echo "HAProxy takes both files"
for file in "$packaging"/haproxy/*.cfg; do
    haproxy -c -f "$file" >"$work/haproxy" 2>&1 || fail "$file: $(cat "$work/haproxy")"
done

echo "Prometheus takes its files"
promtool check config "$packaging/prometheus/prometheus.yml" >"$work/promtool" 2>&1 ||
    fail "$(cat "$work/promtool")"

echo "logrotate rotates to names that the cleanup knows"
mkdir "$work/rotated"
echo line >"$work/rotated/blockdb.log"
sed "s,/var/log/blockdb,$work/rotated,; s,$work/rotated-performance,$work/performance,
    s/blockdb blockdb/root root/" "$packaging/logrotate/blockdb" >"$work/logrotate.conf"
chmod 0644 "$work/logrotate.conf"
logrotate --force --state "$work/logrotate.state" "$work/logrotate.conf" >"$work/logrotate" 2>&1 ||
    fail "$(cat "$work/logrotate")"
[ "$(cat "$work/rotated/blockdb.log.1")" = line ] || fail "no blockdb.log.1: $(ls "$work/rotated")"
[ ! -s "$work/rotated/blockdb.log" ] || fail "no fresh blockdb.log"

echo "the server takes all profiles"
for file in "$packaging"/profiles/*.toml "$packaging"/*.toml; do
    "$server" --config "$file" --set database.data_dir="$work/db" --set database.wal_dir= \
        --check-config >"$work/check" 2>&1 || [ $? -eq 1 ] || fail "$file: $(cat "$work/check")"
done

echo "installing keeps what was set"
DESTDIR=$work/root meson install -C "$build_root" --no-rebuild --quiet >"$work/install" 2>&1 ||
    fail "$(cat "$work/install")"
for file in usr/local/bin/blockdb-server usr/local/bin/blockdb-cli \
    usr/local/bin/blockdb-cleanup.sh \
    usr/local/lib/systemd/system/blockdb.service usr/local/lib/sysusers.d/blockdb.conf \
    etc/blockdb/blockdb.toml etc/logrotate.d/blockdb; do
    [ -e "$work/root/$file" ] || fail "$file was not installed"
done
echo '# mine' >"$work/root/etc/blockdb/blockdb.toml"
DESTDIR=$work/root meson install -C "$build_root" --no-rebuild --quiet >"$work/install" 2>&1
grep -q '^# mine' "$work/root/etc/blockdb/blockdb.toml" || fail "settings were overwritten"

echo "the cleanup removes what is old and nothing else"
mkdir -p "$work/db/wal" "$work/log" "$work/bin"
touch "$work/db/wal/1.wal" "$work/db/wal/2.wal.old" "$work/db/1.sst" "$work/log/blockdb.log"
touch -d '8 days ago' "$work/db/wal/3.wal.old" "$work/db/wal/4.wal"
touch -d '31 days ago' "$work/log/blockdb.log.2.gz"
touch "$work/log/blockdb.log.1"
DATA_DIR=$work/db LOG_DIR=$work/log bash "$packaging/scripts/blockdb-cleanup.sh"
[ "$(cd "$work" && find db log -type f | sort | tr '\n' ' ')" = \
    "db/1.sst db/wal/1.wal db/wal/2.wal.old db/wal/4.wal log/blockdb.log log/blockdb.log.1 " ] ||
    fail "the cleanup left: $(cd "$work" && find db log -type f | sort | tr '\n' ' ')"
printf '#!/bin/sh\necho "$@" >>%s\n' "$work/asked" >"$work/bin/blockdb-cli"
chmod +x "$work/bin/blockdb-cli"
touch "$work"/db/{2,3,4,5,6,7,8,9,10,11}.sst
PATH=$work/bin:$PATH DATA_DIR=$work/db LOG_DIR=$work/log \
    bash "$packaging/scripts/blockdb-cleanup.sh"
[ "$(cat "$work/asked")" = compact ] || fail "no merge was asked for"
! DATA_DIR=$work/none bash "$packaging/scripts/blockdb-cleanup.sh" 2>"$work/error" ||
    fail "a missing directory went unnoticed"
grep -q 'set DATA_DIR' "$work/error" || fail "the error does not say what to do"

echo "the monitor writes lines of ten fields"
PID=$$ COUNT=2 INTERVAL=0.1 LOG_FILE=$work/perf.log DATA_DIR=$work \
    bash "$packaging/scripts/blockdb-perf-monitor.sh"
[ "$(wc -l <"$work/perf.log")" -eq 3 ] || fail "the monitor wrote $(cat "$work/perf.log")"
awk -F, 'NF != 10 { exit 1 }' "$work/perf.log" || fail "fields: $(cat "$work/perf.log")"
