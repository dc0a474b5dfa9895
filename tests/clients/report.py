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


def speed(number, unit):
    """What the client says of its own speed, which isn't compared."""
    print("speed", number, unit, flush=True)


def expect(condition, what):
    """Ends the client as a failure unless the condition holds."""
    if not condition:
        raise SystemExit(f"wrong: {what}")


class DeviceInLog:
    """Finds the device in what native code logs meanwhile, by an expression with one group."""

    def __init__(self, expression):
        self.expression = expression

    def __enter__(self):
        sys.stdout.flush()
        self.log, self.saved = tempfile.TemporaryFile(), [os.dup(1), os.dup(2)]
        for i in (1, 2):
            os.dup2(self.log.fileno(), i)

    def __exit__(self, *_):
        sys.stdout.flush()
        for i, file in enumerate(self.saved, 1):
            os.dup2(file, i)
        self.log.seek(0)
        log = self.log.read().decode(errors="replace")
        sys.stderr.write(log)
        if found := re.search(self.expression, log):
            device(found[1])


# What ggml logs of the first device.
GGML = r"ggml_vulkan: 0 = (.*?) \| uma"
