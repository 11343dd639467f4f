/** A loss of one's own in a training loop of one's own: node dist/examples/custom_loss.js examples/data/cufed5 [STEPS] */
import {
  ADAM_HYPER_LENGTH,
  abs,
  adam,
  adamHyper,
  add,
  compile,
  findTrainingData,
  grad,
  Loader,
  l1Loss,
  mean,
  openDevice,
  Parameters,
  reshape,
  scale,
  slice,
  sub,
  type Tensor,
  untrainedMasa,
} from "masa-webgpu";

const [data = "examples/data/cufed5", steps = "20"] = process.argv.slice(2);

/** Differences of neighbours along a side: 2 is down, 3 is across in images [N, C, H, W]. */
const edges = (x: Tensor, dim: number) => {
  const side = x.shape[dim] as number;
  return sub(slice(x, dim, 1, side), slice(x, dim, 0, side - 1));
};
/** How far the edges of `sr` are from those of `hr`, on average. Its gradient follows from those of the operations. */
const edgeLoss = (sr: Tensor, hr: Tensor) => {
  const along = (dim: number) => mean(abs(sub(edges(sr, dim), edges(hr, dim))));
  return reshape(add(along(2), along(3)), []);
};

const device = await openDevice();
const { pairs } = await findTrainingData(data);
const loader = new Loader(pairs, { batch: 2, seed: 1, size: 64 });
const numbers = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;
const masa = await untrainedMasa(device, numbers, 1);
const weights = masa.parameters.trainable;
const moments = new Parameters();
const declare = (kind: string) =>
  weights.map(({ name, shape }) => moments.declare(`${name}.${kind}`, shape, (values) => values.fill(0)));
const [expAvg, expAvgSq] = [declare("expAvg"), declare("expAvgSq")];
await moments.allocate(device);

const step = await compile(device, { ...loader.shapes, hyper: [ADAM_HYPER_LENGTH] }, ({ hr, hyper, ...images }) => {
  const { sr } = masa.forward(images);
  const [l1, edge] = [l1Loss(sr, hr), edgeLoss(sr, hr)];
  adam(weights, grad(add(l1, scale(edge, 0.5)), weights), { expAvg, expAvgSq }, hyper);
  return { l1, edge };
});

// One batch again and again: the least that a loss must manage. `for await (const batch of batches)` goes on with others.
const batches = loader.batches({ epoch: 0, step: 0 }, { exchange: false, colour: false, geometry: false });
const { lr, ref, refDown, hr } = (await batches.next()).value;
await loader.dispose();
for (let t = 1; t <= Number(steps); t++) {
  const hyper = adamHyper({ lr: 1e-3, betas: [0.9, 0.999], step: t });
  const { l1, edge } = await step.run({ lr, ref, refDown, hr, hyper });
  process.stdout.write(`step ${t}: L1 ${l1[0]?.toFixed(4)}, edges ${edge[0]?.toFixed(4)}\n`);
}
device.dispose();
