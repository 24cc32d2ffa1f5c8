#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes what a server takes from the machine to a CSV file, a line every INTERVAL seconds:
#
#   time,pid,cpu_percent,memory_percent,rss_kib,read_bytes,write_bytes,connections,open_files,
#   disk_percent
#
#   INTERVAL   seconds between lines (5)
#   COUNT      lines to write; 0: until it is ended (0)
#   LOG_FILE   the file (/var/log/blockdb-performance.log)
#   DATA_DIR   directory whose disk is meant (/var/lib/blockdb)
#   PORT       port whose connections are counted (8080)
#   PID        the server; needed when several run on this machine (the only blockdb-server)
set -eu

INTERVAL=${INTERVAL:-5}
COUNT=${COUNT:-0}
LOG_FILE=${LOG_FILE:-/var/log/blockdb-performance.log}
DATA_DIR=${DATA_DIR:-/var/lib/blockdb}
PORT=${PORT:-8080}
given_pid=${PID:-}

# The number behind a name of /proc/PID/io; the name is compared whole, for cancelled_write_bytes
# ends like write_bytes.
io_of() {
    awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/io" 2>/dev/null || true
}

# The server that is meant; nothing when none runs.
find_server() {
    local pids
    if [ -n "$given_pid" ]; then
        [ -d "/proc/$given_pid" ] && echo "$given_pid"
        return 0
    fi
    pids=$(pgrep -x blockdb-server || true)
    if [ "$(wc -w <<<"$pids")" -gt 1 ]; then
        echo "blockdb-perf-monitor: several servers run ($(tr '\n' ' ' <<<"$pids")); set PID" >&2
        exit 1
    fi
    echo "$pids"
}

sample() {
    local pid=$1 cpu memory rss connections files disk
    read -r cpu memory rss < <(ps -o %cpu=,%mem=,rss= -p "$pid") || return 0
    connections=$(ss -Htn state established "( sport = :$PORT )" | wc -l)
    files=$(find "/proc/$pid/fd" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
    disk=$(df --output=pcent "$DATA_DIR" 2>/dev/null | tail -1 | tr -dc '0-9')
    echo "$(date '+%Y-%m-%d %H:%M:%S'),$pid,$cpu,$memory,$rss,$(io_of "$pid" read_bytes),$(
        io_of "$pid" write_bytes),$connections,$files,$disk"
}

if [ ! -s "$LOG_FILE" ]; then
    echo "time,pid,cpu_percent,memory_percent,rss_kib,read_bytes,write_bytes,connections,$(
        )open_files,disk_percent" >>"$LOG_FILE"
fi
written=0
while true; do
    server=$(find_server)
    if [ -n "$server" ]; then
        sample "$server" >>"$LOG_FILE"
    fi
    written=$((written + 1))
    if [ "$COUNT" -gt 0 ] && [ "$written" -ge "$COUNT" ]; then
        break
    fi
    sleep "$INTERVAL"
done
