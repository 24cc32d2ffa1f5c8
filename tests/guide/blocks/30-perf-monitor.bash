#!/bin/bash
# /usr/local/bin/blockdb-perf-monitor.sh

INTERVAL=5
LOG_FILE="/var/log/blockdb-performance.log"

while true; do
    TIMESTAMP=$(date '+%Y-%m-%d %H:%M:%S')
    
    # Get BlockDB PID
    PID=$(pgrep blockdb-server)
    
    if [ -n "$PID" ]; then
        # CPU and Memory
        CPU_MEM=$(ps -o %cpu,%mem,rss -p $PID --no-headers)
        
        # I/O stats
        IO_STATS=$(cat /proc/$PID/io | grep -E "read_bytes|write_bytes" | awk '{print $2}' | paste -sd,)
        
        # Network connections
        CONNECTIONS=$(ss -tn | grep :8080 | wc -l)
        
        # File descriptors
        FD_COUNT=$(ls /proc/$PID/fd | wc -l)
        
        # Disk usage
        DISK_USAGE=$(df /var/lib/blockdb | tail -1 | awk '{print $5}')
        
        echo "$TIMESTAMP,$CPU_MEM,$IO_STATS,$CONNECTIONS,$FD_COUNT,$DISK_USAGE" >> $LOG_FILE
    fi
    
    sleep $INTERVAL
done
