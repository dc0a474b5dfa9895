"""vkmark: all of its scenes, each for a moment, in a window where there is a server; that each is shown to its end is the result."""

import os
import re
import subprocess

from report import device, expect, result, speed

SCENES = """
    clear cube desktop effect2d:kernel=edge effect2d:kernel=blur shading:shading=gouraud shading:shading=blinn-phong-inf
    shading:shading=phong shading:shading=cel texture:anisotropy=0 texture:anisotropy=16 vertex:device-local=true
    vertex:device-local=false
""".split()

tree = os.environ["CLIENT_TREE"]
system = "xcb" if "DISPLAY" in os.environ else "headless"
command = [f"{tree}/usr/bin/vkmark", f"--winsys={system}", "--size=320x240", "--show-all-options"]
command += [f"--winsys-dir={tree}/usr/lib/x86_64-linux-gnu/vkmark", f"--data-dir={tree}/usr/share/vkmark"]
command += ["--benchmark=:duration=0.5"] + [f"--benchmark={scene}" for scene in SCENES]
out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
print(out.stdout)
expect(out.returncode == 0, f"vkmark ends with {out.returncode}")
if found := re.search(r"Device Name: +(.*)", out.stdout):
    device(found[1])
shown = re.findall(r"^\[(\w+)\] (.*?):? +FPS: (\d+) ", out.stdout, re.MULTILINE)
expect(len(shown) == len(SCENES), f"{len(shown)} of {len(SCENES)} scenes")
for scene, options, frames in shown:
    expect(int(frames) > 0, f"{scene} has no frame")
    result(scene, options)
score = re.search(r"vkmark Score: (\d+)", out.stdout)
expect(score, "vkmark has no score")
speed(int(score[1]), "frames/s")
