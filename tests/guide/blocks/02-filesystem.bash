# Use ext4 with optimal mount options
/dev/nvme0n1 /var/lib/blockdb ext4 noatime,nodiratime,data=writeback,barrier=0 0 0

# XFS alternative (better for large files)
/dev/nvme0n1 /var/lib/blockdb xfs noatime,nodiratime,logbsize=256k,largeio 0 0

# Disable disk barriers for better performance (if UPS protected)
echo 0 > /sys/block/nvme0n1/queue/add_random
echo deadline > /sys/block/nvme0n1/queue/scheduler
