"""What a client prints: its device, and a line for each result, which must be the same on every driver."""

import hashlib
import os
import re
import sys
import tempfile


def device(name):
    """The device that the client has found, by the name that Vulkan gives it."""
    print("device", name, flush=True)


def result(name, value):
    """A result: of bytes only their hash is printed."""
    if not isinstance(value, (str, int)):
        value = hashlib.sha256(bytes(value)).hexdigest()[:16]
    print("result", name, value, flush=True)


def expect(condition, what):
    """Ends the client as a failure unless the condition holds."""
    if not condition:
        raise SystemExit(f"wrong: {what}")


class DeviceInLog:
    """Finds the device in what native code logs on standard error meanwhile, by an expression with one group."""

    def __init__(self, expression):
        self.expression = expression

    def __enter__(self):
        self.file, self.stderr = tempfile.TemporaryFile(), os.dup(2)
        os.dup2(self.file.fileno(), 2)

    def __exit__(self, *_):
        os.dup2(self.stderr, 2)
        self.file.seek(0)
        log = self.file.read().decode(errors="replace")
        sys.stderr.write(log)
        if found := re.search(self.expression, log):
            device(found[1])


# What ggml logs of the first device.
GGML = r"ggml_vulkan: 0 = (.*?) \| uma"
