#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Removes retired WAL segments and old logs, and merges tables when that is worth it. Safe to run at
# any moment: recovery never reads *.wal.old, and `compact` does nothing when there is nothing to
# gain.
#
#   DATA_DIR       directory of the database (/var/lib/blockdb)
#   WAL_DIR        directory of its WAL ($DATA_DIR/wal)
#   LOG_DIR        directory of its logs (/var/log/blockdb)
#   WAL_DAYS       age at which a retired segment goes; it bounds point-in-time restores (7)
#   LOG_DAYS       age at which a rotated log goes (30)
#   SSTABLE_MAX    tables at which a merge is asked for (10)
#   BLOCKDB_URL    where the server is, as for blockdb-cli
set -eu

DATA_DIR=${DATA_DIR:-/var/lib/blockdb}
WAL_DIR=${WAL_DIR:-$DATA_DIR/wal}
LOG_DIR=${LOG_DIR:-/var/log/blockdb}
WAL_DAYS=${WAL_DAYS:-7}
LOG_DAYS=${LOG_DAYS:-30}
SSTABLE_MAX=${SSTABLE_MAX:-10}

if [ ! -d "$DATA_DIR" ]; then
    echo "blockdb-cleanup: '$DATA_DIR' is no directory; set DATA_DIR" >&2
    exit 1
fi

for dir in "$DATA_DIR" "$WAL_DIR"; do
    [ -d "$dir" ] && find "$dir" -maxdepth 2 -type f -name '*.wal.old' -mtime "+$WAL_DAYS" -delete
done

count=$(find "$DATA_DIR" -maxdepth 1 -type f -name '*.sst' | wc -l)
if [ "$count" -gt "$SSTABLE_MAX" ]; then
    blockdb-cli compact
fi

if [ -d "$LOG_DIR" ]; then
    find "$LOG_DIR" -maxdepth 1 -type f -name '*.log.*' -mtime "+$LOG_DAYS" -delete
fi
