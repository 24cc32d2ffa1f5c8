#!/bin/bash
# /usr/local/bin/blockdb-cleanup.sh

# Clean old WAL files
find /var/lib/blockdb -name "*.wal.old" -mtime +7 -delete

# Compact if needed
SSTABLE_COUNT=$(ls /var/lib/blockdb/*.sst 2>/dev/null | wc -l)
if [ $SSTABLE_COUNT -gt 10 ]; then
    blockdb-cli compact
fi

# Clean old logs
find /var/log/blockdb -name "*.log.*" -mtime +30 -delete
