"""slangpy: the tests of its own that it ships, of compute, drawing, textures, buffers and types; each one's outcome is a result."""

import pathlib
import sys

import pytest
import slangpy
from report import device, expect, result

# Those that use a device; others are of slangpy's compiler.
FILES = ["test_bindless", "test_blit", "test_buffer", "test_device_api", "test_pipeline", "test_print", "test_shader_cursor"]
FILES += ["test_texture_access", "slang/test_atomics", "slang/test_float16", "slang/test_float64", "slang/test_uint64"]


class Outcomes:
    """Counts what pytest reports."""

    def __init__(self):
        self.passed = 0

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            result(report.nodeid.split("/", 1)[-1].replace(" ", "_"), report.outcome)
            self.passed += report.outcome == "passed" and report.when == "call"


device(slangpy.Device.enumerate_adapters(slangpy.DeviceType.vulkan)[0].name)
tests = pathlib.Path(slangpy.__file__).with_name("tests") / "device"
outcomes = Outcomes()
arguments = ["--quiet", "--tb=short", "-p", "no:cacheprovider", "--device-types=vulkan"]
pytest.main(arguments + [str(tests / f"{name}.py") for name in FILES], plugins=[outcomes])
expect(outcomes.passed > 100, f"only {outcomes.passed} of slangpy's tests passed")
sys.exit(0)
