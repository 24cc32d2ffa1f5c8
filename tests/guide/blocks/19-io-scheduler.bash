# For NVMe drives
echo none > /sys/block/nvme0n1/queue/scheduler

# For SATA SSDs  
echo deadline > /sys/block/sda/queue/scheduler

# Disable NCQ for consistent latency
echo 1 > /sys/block/sda/queue/nomerges
