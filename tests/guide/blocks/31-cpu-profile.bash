# Use perf for CPU profiling
sudo perf record -g -p $(pgrep blockdb-server) -- sleep 30
sudo perf report

# Flame graph generation
git clone https://github.com/brendangregg/FlameGraph
sudo perf record -g -p $(pgrep blockdb-server) -- sleep 30
sudo perf script | ./FlameGraph/stackcollapse-perf.pl | ./FlameGraph/flamegraph.pl > blockdb-cpu.svg
