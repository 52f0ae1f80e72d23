"""A laboratory: throw-away network namespaces with real services and clients, for the demo, the tests and the benchmarks."""
