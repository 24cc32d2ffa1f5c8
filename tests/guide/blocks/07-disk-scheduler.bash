# Use deadline scheduler for SSDs
echo deadline > /sys/block/nvme0n1/queue/scheduler

# For HDDs, use CFQ
echo cfq > /sys/block/sda/queue/scheduler

# Optimize queue depth
echo 32 > /sys/block/nvme0n1/queue/nr_requests
