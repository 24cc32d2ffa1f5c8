# Increase file descriptor limits
cat >> /etc/security/limits.conf << EOF
blockdb soft nofile 65536
blockdb hard nofile 65536
blockdb soft nproc 32768
blockdb hard nproc 32768
EOF

# For systemd services
mkdir -p /etc/systemd/system/blockdb.service.d
cat > /etc/systemd/system/blockdb.service.d/limits.conf << EOF
[Service]
LimitNOFILE=65536
LimitNPROC=32768
EOF

systemctl daemon-reload
