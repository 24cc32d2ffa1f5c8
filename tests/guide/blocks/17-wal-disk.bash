# Mount WAL on separate fast disk
mkdir -p /var/lib/blockdb/wal
mount /dev/nvme1n1 /var/lib/blockdb/wal

# Update configuration
[database]
data_dir = "/var/lib/blockdb"
wal_dir = "/var/lib/blockdb/wal"      # Separate WAL directory
