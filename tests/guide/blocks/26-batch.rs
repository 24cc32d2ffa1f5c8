// Batch multiple operations for better throughput
let batch = vec![
    ("key1", "value1"),
    ("key2", "value2"), 
    ("key3", "value3"),
];

client.batch_put(batch).await?;
