/** jax-js. Arrays are lazy and count their uses: all uses of one but the last need `.ref`. */
import { offerGpu } from "../../dist/bench/peers/gpu.js";
import { peerRunner, serve } from "../../dist/bench/peers/serve.js";

const SAME = [
  [1, 1],
  [1, 1],
];
// As (output padding 1) − 1 at the end of each side, in its terms.
const DOUBLE = [
  [1, 0],
  [1, 0],
];

let gpu;
let jax;

/** Waits until these are computed: what nobody waits for is never begun. */
async function finish(arrays) {
  await jax.blockUntilReady(arrays);
  await gpu.drain();
}

const array = ({ shape, data }) => jax.numpy.array(data, { shape: [...shape] });
const channels = (bias) => bias.reshape([1, -1, 1, 1]);
const conv = (x, weight) => jax.lax.conv(x, weight, [1, 1], SAME);

/** The inputs called `names` through `f` under jit; its results are called `outputs`. */
const compiled = (names, outputs, f) => async (inputs) => {
  const operands = names.map((name) => array(inputs[name]));
  const call = jax.jit(f);
  let results = [];
  await finish(operands);
  return {
    async run() {
      results = [call(...operands.map(({ ref }) => ref))].flat();
      await finish(results);
    },
    async read() {
      const values = await Promise.all(results.map((result) => result.data()));
      return Object.fromEntries(outputs.map((name, i) => [name, values[i]]));
    },
    dispose() {
      for (const one of [...operands, call]) one.dispose();
    },
  };
};

/** The gradient of a linear `f` at any argument of the given shape; jit leaves `f` itself out. */
function pullback(f, shape, dy) {
  const [y, back] = jax.vjp(f, [jax.numpy.zeros(shape)]);
  y.dispose();
  return back(dy)[0];
}

function matched(queries, candidates) {
  const np = jax.numpy;
  const unit = (v) => v.ref.div(np.maximum(np.sqrt(np.sum(np.square(v), 1, { keepdims: true })), 1e-12));
  const scores = np.matmul(unit(queries), np.transpose(unit(candidates)));
  return [np.argmax(scores.ref, 1), np.max(scores, 1)];
}

function instanceNorm(x) {
  const np = jax.numpy;
  const centred = x.ref.sub(np.mean(x, [2, 3], { keepdims: true }));
  const variance = np.mean(np.square(centred.ref), [2, 3], { keepdims: true });
  return centred.div(np.sqrt(variance.add(1e-5)));
}

function loss(weights, x, target) {
  const np = jax.numpy;
  let y = x;
  for (let i = 0; i < weights.length; i += 4) {
    const [weight1, bias1, weight2, bias2] = weights.slice(i, i + 4);
    const inner = np.maximum(conv(y.ref, weight1).add(channels(bias1)), 0);
    y = y.add(conv(inner, weight2).add(channels(bias2)));
  }
  return np.mean(np.absolute(y.sub(target)));
}

/** Loss, and weights and moments after a step of Adam; `rate1` and `rate2` correct the moments for their start at 0. */
function step(weights, first, second, x, target, rate1, rate2) {
  const np = jax.numpy;
  const [value, gradients] = jax.valueAndGrad(loss)(
    weights.map(({ ref }) => ref),
    x,
    target,
  );
  const means = first.map((mean, i) => mean.mul(0.9).add(gradients[i].ref.mul(0.1)));
  const squares = second.map((square, i) => square.mul(0.999).add(np.square(gradients[i]).mul(0.001)));
  const moved = weights.map((weight, i) => {
    const size = np.sqrt(squares[i].ref.mul(rate2.ref)).add(1e-8);
    return weight.sub(means[i].ref.mul(rate1.ref).mul(1e-4).div(size));
  });
  rate1.dispose();
  rate2.dispose();
  return [value, moved, means, squares];
}

async function training({ x, hr, ...first }) {
  const [images, targets] = [array(x), array(hr)];
  const zeros = () => Object.values(first).map(({ shape }) => jax.numpy.zeros([...shape]));
  let state = [Object.values(first).map(array), zeros(), zeros()];
  const call = jax.jit(step);
  let value;
  let t = 0;
  await finish([images, targets, ...state.flat()]);
  return {
    async run() {
      t++;
      const rates = [0.9, 0.999].map((beta) => jax.numpy.array(1 / (1 - beta ** t)));
      [value, ...state] = call(...state, images.ref, targets.ref, ...rates);
      await finish([value, ...state.flat()]);
    },
    read: async () => ({ loss: await value.data() }),
    dispose() {
      for (const one of [...state.flat(), images, targets, call]) one.dispose();
    },
  };
}

await serve(async () => {
  gpu = await offerGpu();
  jax = await import("@jax-js/jax");
  await jax.init("webgpu");
  jax.defaultDevice("webgpu");
  return peerRunner(gpu.adapter, {
    conv2d: compiled(["x", "weight", "bias"], ["y"], (x, weight, bias) => conv(x, weight).add(channels(bias))),
    "conv2d dx": compiled(["weight", "dy"], ["dx"], (weight, dy) => pullback((x) => conv(x, weight), dy.shape, dy)),
    "conv2d dweight": compiled(["x", "dy"], ["dweight"], (x, dy) =>
      pullback((weight) => conv(x, weight), [64, 64, 3, 3], dy),
    ),
    conv_transpose2d: compiled(["x", "weight", "bias"], ["y"], (x, weight, bias) =>
      jax.lax.convTranspose(x, weight, [2, 2], DOUBLE, { transposeKernel: true }).add(channels(bias)),
    ),
    match: compiled(["queries", "candidates"], ["index", "score"], matched),
    instance_norm: compiled(["x"], ["y"], instanceNorm),
    matmul: compiled(["a", "b"], ["y"], (a, b) => jax.numpy.matmul(a, b)),
    "training step": training,
  });
});
