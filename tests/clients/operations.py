"""test-backend-ops, llama.cpp's test: some of its operations on the device, each of which it compares with the processor's; its verdicts are the results."""

import os
import re
import subprocess

from report import device, expect, result

OPERATIONS = ["RMS_NORM", "GET_ROWS", "SCALE", "ARANGE", "SUM_ROWS"]

libraries = "/opt/llama/usr/lib/x86_64-linux-gnu"
command = [f"{libraries}/ld-linux-x86-64.so.2", "--library-path", f"{libraries}:{libraries}/llama:/usr/lib/x86_64-linux-gnu"]
command += [f"{os.environ['CLIENT_TREE']}/usr/bin/test-backend-ops", "test", "-b", "Vulkan0", "-o", ",".join(OPERATIONS)]
environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
text = re.sub(r"\x1b\[[\d;]*m", "", out.stdout)
print(text)
expect(out.returncode == 0, f"test-backend-ops ends with {out.returncode}")
if found := re.search(r"Vulkan0\n *Device description: (.*)", text):
    device(found[1])
verdicts = re.findall(r"^ +(\w+\(.*\)): .*?(OK|FAIL|not supported)", text, re.MULTILINE)
for case, verdict in verdicts:
    result(case.replace(" ", ""), verdict)
expect(sum(verdict == "OK" for _, verdict in verdicts) > 50, f"only {len(verdicts)} verdicts")
