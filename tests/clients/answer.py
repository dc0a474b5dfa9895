"""Kompute: a tiny model with random weights goes on from a prompt on llama.cpp's backend of that name, as GPT4All ships it."""

import os
import pathlib

from gpt4all import GPT4All
from report import device, expect, result

path = pathlib.Path(os.environ["CLIENT_MODEL"])
model = GPT4All(path.name, model_path=path.parent, device="kompute", allow_download=False, n_ctx=256)
expect(model.backend == "kompute", f"GPT4All computes by {model.backend}")
expect(model.device, "GPT4All computes on the processor")
device(model.device)
tokens = []
model.generate("w1 w40 w7 w111 w3", max_tokens=48, temp=0, top_k=1, callback=lambda token, _: tokens.append(token) or True)
expect(len(set(tokens)) > 4, f"the tokens tell nothing: {tokens}")
result("tokens", " ".join(map(str, tokens)))
model.close()
