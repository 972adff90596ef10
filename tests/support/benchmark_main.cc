// The main() of programs of benchmarks that have none of their own.
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
