"""vkmark: all of its scenes, each for a moment, in a window where there is a server; that each is shown to its end is the result."""

import os
import re
import subprocess

from report import device, expect, result, speed

command = os.environ["VKMARK"].split("\n") + ["--show-all-options"]
# Those of a name are shown; the first one without sets their duration.
scenes = [word for word in command if re.match(r"--benchmark=\w", word)]
if "DISPLAY" in os.environ:
    command.append("--winsys=xcb")
out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
print(out.stdout)
expect(out.returncode == 0, f"vkmark ends with {out.returncode}")
if found := re.search(r"Device Name: +(.*)", out.stdout):
    device(found[1])
shown = re.findall(r"^\[(\w+)\] (.*?):? +FPS: (\d+) ", out.stdout, re.MULTILINE)
expect(len(shown) == len(scenes), f"{len(shown)} of {len(scenes)} scenes")
for scene, options, frames in shown:
    expect(int(frames) > 0, f"{scene} has no frame")
    result(scene, options)
score = re.search(r"vkmark Score: (\d+)", out.stdout)
expect(score, "vkmark has no score")
speed(int(score[1]), "frames/s")
