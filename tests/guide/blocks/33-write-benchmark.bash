#!/bin/bash
# write_benchmark.sh

OPERATIONS=10000
CONCURRENCY=10
VALUE_SIZE=1024

echo "Starting write benchmark..."
echo "Operations: $OPERATIONS"
echo "Concurrency: $CONCURRENCY"
echo "Value size: $VALUE_SIZE bytes"

# Generate test data
openssl rand -hex $VALUE_SIZE > test_value.txt
TEST_VALUE=$(cat test_value.txt)

# Benchmark function
benchmark_writes() {
    local thread_id=$1
    local ops_per_thread=$((OPERATIONS / CONCURRENCY))
    
    for i in $(seq 1 $ops_per_thread); do
        key="thread_${thread_id}_key_${i}"
        blockdb-cli put "$key" "$TEST_VALUE" > /dev/null 2>&1
    done
}

# Start benchmark
START_TIME=$(date +%s.%N)

# Launch concurrent writers
for i in $(seq 1 $CONCURRENCY); do
    benchmark_writes $i &
done

# Wait for completion
wait

END_TIME=$(date +%s.%N)
DURATION=$(echo "$END_TIME - $START_TIME" | bc)
THROUGHPUT=$(echo "scale=2; $OPERATIONS / $DURATION" | bc)

echo "Duration: ${DURATION}s"
echo "Throughput: ${THROUGHPUT} ops/sec"

# Cleanup
rm test_value.txt
