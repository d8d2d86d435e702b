"""What every backend that is a service has in common: where texts go, what is paid, secrets, hosted training."""
