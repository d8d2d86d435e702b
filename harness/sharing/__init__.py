"""A kept adaptation put into a repository of a service, and taken from there into another store."""
