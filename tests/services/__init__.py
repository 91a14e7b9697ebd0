"""Real servers for the tests, installed by package name, on free ports, stopped by their own pid."""
