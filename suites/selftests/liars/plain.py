"""No adapter at all: a program that reads what it is told and says nothing."""

import sys

for _ in sys.stdin:
    pass
