"""What the integration tests are made with: real servers on loopback, real clients, conditions with deadlines."""
