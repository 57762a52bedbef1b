"""The commands behind the Makefile: `python -m config.local run`, `test` and `lint`."""

from __future__ import annotations

import sys

from config.local import stack, suite

USAGE = "Usage: python -m config.local run | test [pytest arguments] | lint"


def main(arguments: list[str]) -> int:
    match arguments:
        case ["run"]:
            return stack.run()
        case ["test", *rest]:
            return suite.test(rest)
        case ["lint"]:
            return suite.lint()
    sys.stderr.write(f"{USAGE}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
