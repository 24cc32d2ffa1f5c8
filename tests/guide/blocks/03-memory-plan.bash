# Recommended memory allocation
Total RAM: 16GB+
OS/System: 4GB
BlockDB Process: 4GB
MemTable: 2GB
Page Cache: 4GB
Buffer: 2GB
