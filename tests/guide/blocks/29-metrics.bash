# System metrics
iostat -x 1                         # I/O statistics
sar -n DEV 1                        # Network statistics  
free -h                             # Memory usage
top -p $(pgrep blockdb-server)      # Process statistics

# BlockDB metrics
curl http://localhost:8080/metrics  # Application metrics
blockdb-cli stats                   # Database statistics
