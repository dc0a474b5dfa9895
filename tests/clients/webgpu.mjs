// Dawn: what webgpu.py does with wgpu, by the same shaders.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// Modules aren't looked for in NODE_PATH, but what CommonJS looks for is.
const { create, globals } = await import(createRequire(import.meta.url).resolve('webgpu'));
Object.assign(globalThis, globals);

const SIZE = [256, 192];
const COUNT = 100000;

/** A result: of bytes only their hash is printed. */
function result(name, value) {
  const short = ArrayBuffer.isView(value) ? createHash('sha256').update(value).digest('hex').slice(0, 16) : value;
  console.log('result', name, String(short));
}

/** Ends the client as a failure unless the condition holds. */
function expect(condition, what) {
  if (!condition) throw new Error(`wrong: ${what}`);
}

const gpu = create(['backend=vulkan']);
const adapter = await gpu.requestAdapter();
expect(adapter, 'no adapter');
console.log('device', adapter.info.description);
for (const feature of [...adapter.features].sort()) result('feature', feature);
for (const name of Object.keys(Object.getPrototypeOf(adapter.limits)).sort()) {
  if (typeof adapter.limits[name] === 'number') result(`limit ${name}`, adapter.limits[name]);
}
const device = await adapter.requestDevice({ requiredFeatures: ['timestamp-query'] });
device.addEventListener('uncapturederror', (event) => {
  console.error(event.error.message);
  process.exit(1);
});
const module = device.createShaderModule({ code: readFileSync(new URL('webgpu.wgsl', import.meta.url), 'utf8') });
const B = GPUBufferUsage;
const T = GPUTextureUsage;

/** Records commands and submits them. */
function run(record) {
  const encoder = device.createCommandEncoder();
  record(encoder);
  device.queue.submit([encoder.finish()]);
}

/** A buffer with these words or bytes in it. */
function bufferWith(data, usage) {
  const buffer = device.createBuffer({ size: data.byteLength, usage, mappedAtCreation: true });
  new Uint8Array(buffer.getMappedRange()).set(new Uint8Array(data.buffer));
  buffer.unmap();
  return buffer;
}

/** The bytes of a buffer that commands copy into. */
async function copied(size, record) {
  const buffer = device.createBuffer({ size, usage: B.COPY_DST | B.MAP_READ });
  run((encoder) => record(encoder, buffer));
  await buffer.mapAsync(GPUMapMode.READ);
  const bytes = new Uint8Array(buffer.getMappedRange()).slice();
  buffer.unmap();
  return bytes;
}

const bytesOf = (buffer) => copied(buffer.size, (encoder, to) => encoder.copyBufferToBuffer(buffer, 0, to, 0, buffer.size));

function texels(texture) {
  const bytesPerRow = SIZE[0] * 4;
  return copied(bytesPerRow * SIZE[1], (encoder, buffer) => {
    encoder.copyTextureToBuffer({ texture }, { buffer, bytesPerRow, rowsPerImage: SIZE[1] }, SIZE);
  });
}

/** A bind group of a pipeline's first group. */
function bind(pipeline, ...resources) {
  const entries = resources.map((resource, binding) => ({ binding, resource }));
  return device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
}

const texture = (format, usage, sampleCount = 1) =>
  device.createTexture({ size: SIZE, format, usage: usage | (sampleCount === 1 ? T.COPY_SRC : 0), sampleCount });

const colors = (bytes) => new Set(new Uint32Array(bytes.buffer)).size;

async function compute() {
  const words = Uint32Array.from({ length: COUNT }, (_, i) => Math.imul(i, 2654435761));
  const groups = Math.ceil(COUNT / 64);
  const expected = words.map((word) => {
    const x = (Math.imul(word, 1664525) + 12345) >>> 0;
    return x ^ (x >>> 15);
  });
  const expectedSums = Uint32Array.of(0, 0, 0, groups);
  for (let i = 0; i < COUNT; i += 64) {
    const part = expected.subarray(i, i + 64).reduce((a, b) => (a + b) >>> 0, 0);
    expectedSums[0] += part;
    expectedSums[1] = Math.max(expectedSums[1], part);
    expectedSums[2] ^= part;
  }
  const job = bufferWith(Uint32Array.of(COUNT, 12345), B.UNIFORM);
  const source = bufferWith(words, B.STORAGE);
  const mixed = device.createBuffer({ size: words.byteLength, usage: B.STORAGE | B.COPY_SRC });
  const sums = device.createBuffer({ size: 16, usage: B.STORAGE | B.COPY_SRC | B.COPY_DST });
  const counts = bufferWith(Uint32Array.of(9, groups, 1, 1), B.INDIRECT);
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
  const ticks = device.createBuffer({ size: 16, usage: B.QUERY_RESOLVE | B.COPY_SRC });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'mix_words' } });
  const group = bind(pipeline, ...[job, source, mixed, sums].map((buffer) => ({ buffer })));
  for (const indirect of [false, true]) {
    run((encoder) => {
      encoder.clearBuffer(sums);
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
      const work = encoder.beginComputePass({ timestampWrites });
      work.setPipeline(pipeline);
      work.setBindGroup(0, group);
      if (indirect) work.dispatchWorkgroupsIndirect(counts, 4);
      else work.dispatchWorkgroups(groups);
      work.end();
      encoder.resolveQuerySet(querySet, 0, 2, ticks, 0);
    });
    const found = new Uint32Array((await bytesOf(mixed)).buffer);
    expect(found.every((word, i) => word === expected[i]), `mixed words, indirect: ${indirect}`);
    const foundSums = new Uint32Array((await bytesOf(sums)).buffer);
    expect(`${foundSums}` === `${expectedSums}`, `sums, indirect: ${indirect}: ${foundSums}, not ${expectedSums}`);
    result('sums', foundSums.join(' '));
    const [begin, end] = new BigUint64Array((await bytesOf(ticks)).buffer);
    // Dawn rounds them to a tenth of a millisecond.
    expect(begin > 0n && begin <= end, `timestamps: ${begin}, then ${end}`);
    expect(end - begin < 3600n * 10n ** 9n, `${end - begin} ns between two timestamps`);
  }
}

/** The picture of rings, made by a shader. */
async function rings() {
  const picture = texture('rgba8unorm', T.STORAGE_BINDING | T.TEXTURE_BINDING);
  const heights = texture('r32float', T.STORAGE_BINDING);
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'draw_rings' } });
  const group = bind(pipeline, picture.createView(), heights.createView());
  run((encoder) => {
    const work = encoder.beginComputePass();
    work.setPipeline(pipeline);
    work.setBindGroup(0, group);
    work.dispatchWorkgroups(SIZE[0] / 8, SIZE[1] / 8);
    work.end();
  });
  const bytes = await texels(picture);
  expect(colors(bytes) > 100, 'the rings have few colors');
  result('rings', bytes);
  result('heights', await texels(heights));
  return picture;
}

/** Cards with a picture, blended over each other where the depth lets them. */
async function draw(picture, samples, bundled) {
  const vertices = bufferWith(Float32Array.of(-1, -1, 0, 0, 1, -1, 1, 0, -1, 1, 0, 1, 1, 1, 1, 1), B.VERTEX);
  const indices = bufferWith(Uint16Array.of(0, 1, 2, 2, 1, 3), B.INDEX);
  // Vertices, instances, first vertex, first instance; then indices, instances, first index, base vertex, first instance.
  const args = bufferWith(Uint32Array.of(3, 10, 1, 0, 6, 15, 0, 0, 0), B.INDIRECT);
  const attributes = [0, 1].map((i) => ({ format: 'float32x2', offset: 8 * i, shaderLocation: i }));
  const blend = { srcFactor: 'src-alpha', dstFactor: 'one-minus-src-alpha', operation: 'add' };
  const pipeline = await device.createRenderPipelineAsync({
    layout: 'auto',
    vertex: { module, entryPoint: 'place_card', buffers: [{ arrayStride: 16, attributes }] },
    depthStencil: { format: 'depth32float', depthWriteEnabled: true, depthCompare: 'less' },
    multisample: { count: samples },
    fragment: {
      module,
      entryPoint: 'paint_card',
      targets: [{ format: 'rgba8unorm', blend: { color: blend, alpha: blend } }],
    },
  });
  const smooth = device.createSampler({ magFilter: 'linear', minFilter: 'linear', addressModeU: 'repeat' });
  const group = bind(pipeline, picture.createView(), smooth);
  const target = texture('rgba8unorm', T.RENDER_ATTACHMENT);
  const color = { view: target.createView(), clearValue: [0.1, 0.2, 0.3, 1], loadOp: 'clear', storeOp: 'store' };
  if (samples > 1) {
    color.resolveTarget = color.view;
    color.view = texture('rgba8unorm', T.RENDER_ATTACHMENT, samples).createView();
  }
  const depth = texture('depth32float', T.RENDER_ATTACHMENT, samples);
  const seen = device.createQuerySet({ type: 'occlusion', count: 2 });
  const counts = device.createBuffer({ size: 16, usage: B.QUERY_RESOLVE | B.COPY_SRC });
  const cards = (commands) => {
    commands.setPipeline(pipeline);
    commands.setBindGroup(0, group);
    commands.setVertexBuffer(0, vertices);
    commands.setIndexBuffer(indices, 'uint16');
    commands.drawIndexedIndirect(args, 16);
    commands.drawIndirect(args, 0);
    commands.drawIndexed(6, 3);
  };
  run((encoder) => {
    const work = encoder.beginRenderPass({
      colorAttachments: [color],
      depthStencilAttachment: { view: depth.createView(), depthClearValue: 1, depthLoadOp: 'clear', depthStoreOp: 'store' },
      occlusionQuerySet: seen,
    });
    work.beginOcclusionQuery(0);
    if (bundled) {
      const form = { colorFormats: ['rgba8unorm'], depthStencilFormat: 'depth32float', sampleCount: samples };
      const bundle = device.createRenderBundleEncoder(form);
      cards(bundle);
      work.executeBundles([bundle.finish()]);
    } else {
      cards(work);
    }
    work.endOcclusionQuery();
    work.beginOcclusionQuery(1);
    work.endOcclusionQuery();
    work.end();
    encoder.resolveQuerySet(seen, 0, 2, counts, 0);
  });
  const bytes = await texels(target);
  expect(colors(bytes) > 100, 'the cards have few colors');
  const [some, none] = new BigUint64Array((await bytesOf(counts)).buffer);
  expect(some > 0n && none === 0n, `samples that were seen: ${some} and ${none}`);
  result(`cards, ${samples} samples`, bytes);
  return bytes;
}

await compute();
const picture = await rings();
for (const samples of [1, 4]) {
  const [plain, bundled] = [await draw(picture, samples, false), await draw(picture, samples, true)];
  expect(Buffer.compare(plain, bundled) === 0, 'a bundle draws something else than its commands');
}
device.destroy();
