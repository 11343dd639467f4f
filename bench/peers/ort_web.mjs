/** ONNX Runtime's browser build on WebGPU. Weights are part of the model; what goes in and out stays on the GPU. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { offerGpu } from "../../dist/bench/peers/gpu.js";
import { onnxRunner } from "../../dist/bench/peers/onnx.js";
import { serve } from "../../dist/bench/peers/serve.js";

const WASM = "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm";

/** Its WebAssembly memory is shared, and Dawn's binding writes to buffers from unshared memory only: hands in copies. */
function copyShared({ queue }) {
  const write = queue.writeBuffer.bind(queue);
  queue.writeBuffer = (buffer, offset, data, ...range) => {
    const isView = ArrayBuffer.isView(data);
    const isShared = (isView ? data.buffer : data) instanceof SharedArrayBuffer;
    write(buffer, offset, isShared ? (isView ? data : new Uint8Array(data)).slice() : data, ...range);
  };
}

await serve(async () => {
  const gpu = await offerGpu(copyShared);
  const { env, InferenceSession, Tensor } = await import("onnxruntime-web/webgpu");
  env.logLevel = "error";
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = readFileSync(fileURLToPath(import.meta.resolve(WASM)));
  return onnxRunner(gpu.adapter, async ({ bytes, inputs }) => {
    const session = await InferenceSession.create(bytes, {
      executionProviders: [{ name: "webgpu", preferredLayout: "NHWC" }],
      preferredOutputLocation: "gpu-buffer",
    });
    const device = await env.webgpu.device;
    const { COPY_SRC, COPY_DST, STORAGE } = GPUBufferUsage;
    const feeds = {};
    for (const [name, { shape, data }] of Object.entries(inputs)) {
      const buffer = device.createBuffer({ size: data.byteLength, usage: COPY_SRC | COPY_DST | STORAGE });
      device.queue.writeBuffer(buffer, 0, data);
      const dispose = () => buffer.destroy();
      feeds[name] = Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: [...shape], dispose });
    }
    await gpu.drain();
    let results = {};
    return {
      async run() {
        results = await session.run(feeds);
        await gpu.drain();
      },
      async read() {
        const entries = Object.entries(results).map(async ([name, tensor]) => [name, await tensor.getData(true)]);
        return Object.fromEntries(await Promise.all(entries));
      },
      async dispose() {
        for (const tensor of Object.values(feeds)) tensor.dispose();
        await session.release();
      },
    };
  });
});
