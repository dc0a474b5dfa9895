"""slangpy: the tests of its own that it ships, of compute, drawing, textures and atomics; each one's outcome is a result."""

import pathlib
import sys

import pytest
import slangpy
from report import device, expect, result

# Those that use a device, and few of them. test_buffer isn't among them: its buffers of gigabytes end lavapipe on small machines.
FILES = ["test_bindless", "test_blit", "test_pipeline", "slang/test_atomics"]


class Outcomes:
    """Prints what comes of each test, and counts those that pass."""

    def __init__(self):
        self.passed = 0

    def pytest_runtest_logreport(self, report):
        # What only comes before or after a test counts where it isn't well.
        if report.when == "call" or report.outcome != "passed":
            result(report.nodeid.split("/", 1)[-1].replace(" ", "_"), report.outcome)
            self.passed += report.outcome == "passed"
            if report.failed:
                print(report.longreprtext)


device(slangpy.Device.enumerate_adapters(slangpy.DeviceType.vulkan)[0].name)
tests = pathlib.Path(slangpy.__file__).with_name("tests") / "device"
outcomes = Outcomes()
arguments = ["-p", "no:cacheprovider", "-p", "no:terminal", "-p", "slangpy.testing.plugin", "--device-types=vulkan"]
pytest.main(arguments + [str(tests / f"{name}.py") for name in FILES], plugins=[outcomes])
expect(outcomes.passed >= 20, f"only {outcomes.passed} of slangpy's tests passed")
sys.exit(0)
