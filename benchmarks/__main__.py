"""``make bench``: every benchmark, one after the other."""

import subprocess
import sys
import time

BENCHMARKS = (
    ["engine"],
    ["engine", "--memory"],
    ["web"],
    ["admin"],
    ["order_books"],
    ["propagation"],
    ["stops"],
    ["replicas"],
    ["compiled_queries"],
    ["batching"],
)


def main() -> int:
    """Run each as a process of its own, so that none inherits another's memory; 1 where one of them failed."""
    failed = []
    for name, *arguments in BENCHMARKS:
        title = " ".join((name, *arguments))
        print(f"\n=== {title} ===", flush=True)
        started = time.monotonic()
        if subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *arguments]):
            failed.append(title)
        print(f"({time.monotonic() - started:.0f} s)", flush=True)
    if failed:
        print(f"\nFailed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
