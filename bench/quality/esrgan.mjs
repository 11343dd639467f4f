/**
 * UpscalerJS's ESRGAN models on TensorFlow.js: loaded from their packages and run on whole images as UpscalerJS runs them
 * (its own package needs a browser or TensorFlow's native library). The WASM backend takes its binary from its package.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

let engine;

/** The backend computes in float32, as every backend of TensorFlow.js does. */
async function start() {
  const tf = require("@tensorflow/tfjs");
  const { setWasmPaths } = require("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
  if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js has no WASM backend here");
  await tf.ready();
  return tf;
}

/** Model and weights from the files of a package. */
async function read(path) {
  const { modelTopology, weightsManifest } = JSON.parse(await readFile(path, "utf8"));
  const files = weightsManifest.flatMap(({ paths }) => paths.map((name) => readFile(join(dirname(path), name))));
  const bytes = Buffer.concat(await Promise.all(files));
  return {
    modelTopology,
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
  };
}

/** The model `slim`, `medium` or `thick`: its number of parameters, and a function from 8-bit RGB to RGB four times as large. */
export async function load(size) {
  engine ??= start();
  const tf = await engine;
  const name = `@upscalerjs/esrgan-${size}`;
  const exported = require(`${name}/4x`);
  const definition = exported.default ?? exported;
  definition.setup?.(tf);
  const folder = fileURLToPath(new URL(`node_modules/${name}`, import.meta.url));
  const artifacts = await read(join(folder, definition._internals.path));
  const model = await tf.loadLayersModel({ load: async () => artifacts });
  const [low, high] = definition.inputRange;
  return {
    parameters: model.countParams(),
    async enlarge({ data, width, height }) {
      const result = tf.tidy(() => {
        const pixels = tf.tensor4d(Float32Array.from(data), [1, height, width, 3]);
        const output = model.predict(high === 255 ? pixels : pixels.div(255 / (high - low)));
        const scaled = definition.outputRange[1] === 255 ? output : output.mul(255);
        return scaled.clipByValue(0, 255).round();
      });
      const values = Uint8Array.from(await result.data());
      result.dispose();
      return values;
    },
    dispose: () => model.dispose(),
  };
}
