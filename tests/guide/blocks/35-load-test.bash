# Using Apache Bench
ab -n 10000 -c 100 -p post_data.json -T application/json http://localhost:8080/api/v1/put

# Using wrk
wrk -t4 -c100 -d30s -s post_script.lua http://localhost:8080/api/v1/put
