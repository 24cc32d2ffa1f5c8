# Use valgrind for memory analysis
valgrind --tool=massif --pages-as-heap=yes blockdb-server --config test.toml

# Heap profiling with jemalloc
export MALLOC_CONF="prof:true,prof_active:true"
blockdb-server --config blockdb.toml
