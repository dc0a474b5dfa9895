"""What a client prints: its device, and a line for each result, which must be the same on every driver."""

import hashlib


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
