# RAID 0 for maximum performance (no redundancy)
mdadm --create /dev/md0 --level=0 --raid-devices=2 /dev/nvme0n1 /dev/nvme1n1

# RAID 10 for performance + redundancy
mdadm --create /dev/md0 --level=10 --raid-devices=4 /dev/nvme{0..3}n1
