// node-llama-cpp: a tiny model with random weights goes on from a prompt, all of it on the device.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Modules aren't looked for in NODE_PATH, but what CommonJS looks for is.
const { getLlama } = await import(pathToFileURL(createRequire(import.meta.url).resolve('node-llama-cpp')));

const PROMPT = [1, 300, 7, 301, 42, 400, 9, 17, 350, 260, 511, 33];
const COUNT = 48;

/** Ends the client as a failure unless the condition holds. */
function expect(condition, what) {
  if (!condition) throw new Error(`wrong: ${what}`);
}

const llama = await getLlama({ gpu: 'vulkan', build: 'never', skipDownload: true, progressLogs: false });
expect(llama.gpu === 'vulkan', `node-llama-cpp computes on ${llama.gpu}`);
console.log('device', (await llama.getGpuDeviceNames()).join(', '));
const model = await llama.loadModel({ modelPath: process.env.CLIENT_MODEL, gpuLayers: 99, ignoreMemorySafetyChecks: true });
// Two blocks, and what comes behind them.
expect(model.gpuLayers >= 2, `${model.gpuLayers} layers on the device`);
const context = await model.createContext({ contextSize: 256, batchSize: 8, ignoreMemorySafetyChecks: true });
const tokens = [];
for await (const token of context.getSequence().evaluate(PROMPT, { temperature: 0, yieldEogToken: true })) {
  tokens.push(token);
  if (tokens.length === COUNT) break;
}
expect(tokens.length === COUNT && new Set(tokens).size > 4, `the tokens tell nothing: ${tokens}`);
console.log('result tokens', tokens.join(' '));
await llama.dispose();
