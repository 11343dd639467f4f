/** TensorFlow.js on its WebGPU backend. Its images are N, H, W, C, its weights H, W, I, O: laid out before the clock runs. */
import { offerGpu } from "../../dist/bench/peers/gpu.js";
import { peerRunner, serve } from "../../dist/bench/peers/serve.js";

const FROM = { image: [0, 2, 3, 1], weight: [2, 3, 1, 0] };
const TO = { image: [0, 3, 1, 2], weight: [3, 2, 0, 1] };

let gpu;
let tf;

/** Operations are only encoded until somebody reads, or there are many. */
async function finish() {
  const backend = tf.backend();
  if (backend.commandEncoder) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
  await gpu.drain();
}

const plain = ({ shape, data }) => tf.tensor(data, [...shape]);
const image = (values) => tf.tidy(() => tf.transpose(plain(values), FROM.image));
const weight = (values) => tf.tidy(() => tf.transpose(plain(values), FROM.weight));

/** `f` of the inputs, each laid out by its function; its results are laid back in the orders of `outputs`. */
const eager = (inputs, outputs, f) => async (values) => {
  const operands = Object.entries(inputs).map(([name, layOut]) => layOut(values[name]));
  let results = [];
  await finish();
  return {
    async run() {
      results = tf.tidy(() => [f(...operands)].flat());
      await finish();
    },
    async read() {
      const entries = Object.entries(outputs).map(async ([name, order], i) => {
        const ours = order ? tf.transpose(results[i], order) : results[i];
        const data = await ours.data();
        tf.dispose([ours, results[i]]);
        return [name, data];
      });
      return Object.fromEntries(await Promise.all(entries));
    },
    dispose: () => tf.dispose(operands),
  };
};

function matched(queries, candidates) {
  const unit = (v) => tf.div(v, tf.maximum(tf.sqrt(tf.sum(tf.square(v), 1, true)), 1e-12));
  const scores = tf.matMul(unit(queries), unit(candidates), false, true);
  return [tf.argMax(scores, 1), tf.max(scores, 1)];
}

function instanceNorm(x) {
  const { mean, variance } = tf.moments(x, [1, 2], true);
  return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
}

function body(x, weights) {
  let y = x;
  for (let i = 0; i < weights.length; i += 4) {
    const [filter1, bias1, filter2, bias2] = weights.slice(i, i + 4);
    const same = { strides: 1, pad: "same" };
    const inner = tf.fused.conv2d({ x: y, filter: filter1, bias: bias1, activation: "relu", ...same });
    y = tf.add(y, tf.fused.conv2d({ x: inner, filter: filter2, bias: bias2, ...same }));
  }
  return y;
}

async function training({ x, hr, ...first }) {
  const layOut = (values) => (values.shape.length === 4 ? weight : plain)(values);
  const weights = Object.values(first).map((values) => tf.tidy(() => tf.variable(layOut(values))));
  const [images, targets] = [image(x), image(hr)];
  const adam = tf.train.adam(1e-4, 0.9, 0.999, 1e-8);
  let loss;
  await finish();
  return {
    async run() {
      loss = adam.minimize(() => tf.mean(tf.abs(tf.sub(body(images, weights), targets))), true, weights);
      await finish();
    },
    async read() {
      const data = await loss.data();
      loss.dispose();
      return { loss: data };
    },
    dispose() {
      adam.dispose();
      tf.dispose([weights, images, targets]);
    },
  };
}

await serve(async () => {
  gpu = await offerGpu();
  // Its backend looks for navigator.gpu when it is loaded.
  tf = await import("@tensorflow/tfjs");
  await import("@tensorflow/tfjs-backend-webgpu");
  await tf.setBackend("webgpu");
  await tf.ready();
  const same = { strides: [1, 1], pad: 1, dataFormat: "NHWC", dimRoundingMode: "floor" };
  return peerRunner(gpu.adapter, {
    conv2d: eager({ x: image, weight, bias: plain }, { y: TO.image }, (x, filter, bias) =>
      tf.fused.conv2d({ x, filter, bias, strides: 1, pad: "same" }),
    ),
    "conv2d dx": eager({ weight, dy: image }, { dx: TO.image }, (filter, dy) =>
      tf.conv2dTranspose(dy, filter, dy.shape, 1, "same"),
    ),
    // The kernel that the gradient of conv2d calls; no public function does.
    "conv2d dweight": eager({ x: image, dy: image }, { dweight: TO.weight }, (x, dy) =>
      tf.engine().runKernel("Conv2DBackpropFilter", { x, dy }, { ...same, filterShape: [3, 3, 64, 64] }),
    ),
    conv_transpose2d: eager({ x: image, weight, bias: plain }, { y: TO.image }, (x, filter, bias) =>
      tf.add(tf.conv2dTranspose(x, filter, [1, 160, 160, 64], 2, 1, "floor"), bias),
    ),
    match: eager({ queries: plain, candidates: plain }, { index: null, score: null }, matched),
    instance_norm: eager({ x: image }, { y: TO.image }, instanceNorm),
    matmul: eager({ a: plain, b: plain }, { y: null }, (a, b) => tf.matMul(a, b)),
    "training step": training,
  });
});
