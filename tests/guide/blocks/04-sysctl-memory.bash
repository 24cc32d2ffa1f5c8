# Optimize memory management
cat >> /etc/sysctl.conf << EOF
# Memory management
vm.swappiness = 1                    # Avoid swap usage
vm.dirty_ratio = 15                  # Dirty page ratio
vm.dirty_background_ratio = 5        # Background dirty pages
vm.dirty_writeback_centisecs = 500   # Writeback frequency
vm.dirty_expire_centisecs = 3000     # Page expiration
vm.vfs_cache_pressure = 50           # Cache pressure
EOF

sysctl -p
