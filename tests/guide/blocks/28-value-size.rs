// Optimal value sizes: 1KB - 100KB
// Too small: High overhead
// Too large: Memory pressure

if value.len() > 1024 * 1024 {  // 1MB
    // Consider splitting large values
    split_value_into_chunks(value);
}
