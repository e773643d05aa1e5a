"""``make bench``: every benchmark, one after the other."""

import subprocess
import sys

BENCHMARKS = (["engine"], ["engine", "--memory"], ["web"], ["admin"], ["order_books"], ["propagation"], ["replicas"])


def main() -> int:
    """Run each as a process of its own, so that none inherits another's memory; answers the first failure's code."""
    for name, *arguments in BENCHMARKS:
        print(f"\n=== {' '.join((name, *arguments))} ===", flush=True)
        code = subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *arguments])
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
