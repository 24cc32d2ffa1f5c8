#!/bin/bash
# read_benchmark.sh

OPERATIONS=10000
CONCURRENCY=10

# Populate data first
echo "Populating test data..."
for i in $(seq 1 $OPERATIONS); do
    blockdb-cli put "benchmark_key_$i" "benchmark_value_$i" > /dev/null 2>&1
done

echo "Starting read benchmark..."

benchmark_reads() {
    local thread_id=$1
    local ops_per_thread=$((OPERATIONS / CONCURRENCY))
    
    for i in $(seq 1 $ops_per_thread); do
        key="benchmark_key_$((RANDOM % OPERATIONS + 1))"
        blockdb-cli get "$key" > /dev/null 2>&1
    done
}

START_TIME=$(date +%s.%N)

for i in $(seq 1 $CONCURRENCY); do
    benchmark_reads $i &
done

wait

END_TIME=$(date +%s.%N)
DURATION=$(echo "$END_TIME - $START_TIME" | bc)
THROUGHPUT=$(echo "scale=2; $OPERATIONS / $DURATION" | bc)

echo "Read Duration: ${DURATION}s"
echo "Read Throughput: ${THROUGHPUT} ops/sec"
