#!/bin/bash
# distributed_benchmark.sh

NODES=("node1:8080" "node2:8080" "node3:8080")
OPERATIONS=30000
CONCURRENCY=30

echo "Starting distributed benchmark across ${#NODES[@]} nodes..."

benchmark_node() {
    local node=$1
    local ops_per_node=$((OPERATIONS / ${#NODES[@]}))
    
    for i in $(seq 1 $ops_per_node); do
        key="distributed_key_${node}_${i}"
        value="distributed_value_${i}"
        
        curl -s -X POST http://$node/api/v1/put \
             -H "Content-Type: application/json" \
             -d "{\"key\":\"$key\",\"value\":\"$value\"}" > /dev/null
    done
}

START_TIME=$(date +%s.%N)

for node in "${NODES[@]}"; do
    benchmark_node $node &
done

wait

END_TIME=$(date +%s.%N)
DURATION=$(echo "$END_TIME - $START_TIME" | bc)
THROUGHPUT=$(echo "scale=2; $OPERATIONS / $DURATION" | bc)

echo "Distributed Duration: ${DURATION}s"  
echo "Distributed Throughput: ${THROUGHPUT} ops/sec"

# Verify cluster consistency
echo "Verifying cluster consistency..."
for node in "${NODES[@]}"; do
    echo "Node $node status:"
    curl -s http://$node/cluster/status | jq '.state,.leader'
done
