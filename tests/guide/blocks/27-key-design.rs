// Good: Hierarchical keys for locality
"user:1001:profile"
"user:1001:settings"
"user:1001:history"

// Bad: Random keys
"a7f3k9m2"
"x9z4p1q8"
