"""Exchanges two paths by renameat2(2) with RENAME_EXCHANGE; Node has no call for it."""
import ctypes
import sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2
first, second = (path.encode() for path in sys.argv[1:3])
if libc.renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) != 0:
    sys.exit(f"renameat2: errno {ctypes.get_errno()}")
