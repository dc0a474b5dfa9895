"""glmark2 in a window by zink: it looks at a pixel of each of its scenes, and what it says of that is the result."""

import os
import re
import subprocess

from report import device, expect, result

tree = os.environ["CLIENT_TREE"]
command = [f"{tree}/usr/bin/glmark2-es2", "--validate", "--size=320x240", f"--data-path={tree}/usr/share/glmark2"]
out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
print(out.stdout)
expect(out.returncode == 0, f"glmark2 ends with {out.returncode}")
if found := re.search(r"GL_RENDERER: +(zink.*)", out.stdout):
    device(found[1])
verdicts = re.findall(r"^\[(\w+)\] (.*?): Validation: (\w+)", out.stdout, re.MULTILINE)
for scene, options, verdict in verdicts:
    result(f"{scene} {options}", verdict)
good = sum(verdict == "Success" for _, _, verdict in verdicts)
expect(good > 10, f"{good} of {len(verdicts)} scenes are good")
