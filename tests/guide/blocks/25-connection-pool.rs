// Rust client example
use blockdb_client::{ClientConfig, ConnectionPool};

let config = ClientConfig {
    max_connections: 20,
    connection_timeout: Duration::from_secs(5),
    idle_timeout: Duration::from_secs(300),
    retry_attempts: 3,
    retry_delay: Duration::from_millis(100),
};

let pool = ConnectionPool::new(config);
