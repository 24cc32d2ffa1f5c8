# CPU governor for performance
echo performance > /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor

# Disable CPU idle states for consistent latency
for i in /sys/devices/system/cpu/cpu*/cpuidle/state*/disable; do
    echo 1 > $i 2>/dev/null || true
done

# Set CPU affinity (if needed)
systemctl edit blockdb
# Add:
# [Service]
# ExecStart=
# ExecStart=taskset -c 0-3 /usr/local/bin/blockdb-server --config /etc/blockdb/blockdb.toml
