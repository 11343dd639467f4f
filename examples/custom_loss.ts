/** MASA trained with a custom loss by train(), with checkpoints and logs: node dist/examples/custom_loss.js PAIRS RUN [STEPS] */
import { abs, l1Loss, mean, openDevice, scale, slice, sub, type Tensor, train } from "masa-webgpu";

const [data, out, steps = "200"] = process.argv.slice(2) as [string, string, string?];

/** Differences of neighbours along a dimension of images [N, C, H, W]: 2 is down, 3 is across. */
const edges = (x: Tensor, dim: number) => {
  const length = x.shape[dim] as number;
  return sub(slice(x, dim, 1, length), slice(x, dim, 0, length - 1));
};
/** How far the edges of `sr` are from those of `hr`. The gradient follows from those of the operations. */
const edgeLoss = (sr: Tensor, hr: Tensor, dim: number) => scale(mean(abs(sub(edges(sr, dim), edges(hr, dim)))), 0.5);

const device = await openDevice();
const { step, checkpoint } = await train(device, {
  out,
  resume: true,
  config: { preset: "tiny", data, steps: Number(steps), seed: 1 },
  // Training minimises the sum; logs show each loss by its name.
  objective: ({ sr, hr }) => ({ l1: l1Loss(sr, hr), down: edgeLoss(sr, hr, 2), across: edgeLoss(sr, hr, 3) }),
  onStep: ({ step, losses }) =>
    process.stdout.write(`step ${step}: L1 ${losses.l1?.toFixed(4)}, total ${losses.total?.toFixed(4)}\n`),
});
device.dispose();
process.stdout.write(`${step} steps; weights: ${checkpoint}\n`);
