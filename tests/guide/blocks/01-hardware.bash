# NVMe SSD with high IOPS
Device: NVMe SSD
Capacity: 1TB+
IOPS: 10,000+ (4KB random writes)
Latency: < 0.1ms
Interface: PCIe 3.0 x4 or better
