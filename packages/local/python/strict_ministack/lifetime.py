"""The emulator ends with the process that started it, and leaves nothing behind."""

import os
import subprocess
import sys
import threading

# Runs outside the process group that it kills, so that it lives to remove the directory.
_CLEANER = """
import os, shutil, signal, sys
try:
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
except ProcessLookupError:
    pass
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""


def end_with_parent(data_dir):
    """Waits for the parent's end of stdin to close, which happens however the parent ends, a SIGKILL included."""
    threading.Thread(target=_wait, args=(data_dir,), daemon=True, name="strict-ministack-lifetime").start()


def _wait(data_dir):
    while os.read(0, 4096):
        pass
    # Lambda functions are child processes in this process's own group.
    subprocess.Popen(
        [sys.executable, "-c", _CLEANER, str(os.getpgrp()), data_dir],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
