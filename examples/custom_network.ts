/** A custom ×4 network, trained with Adam on a folder of pairs: node dist/examples/custom_network.js PAIRS [STEPS] */
import * as masa from "masa-webgpu";

class Net extends masa.Module {
  readonly head = new masa.Conv2d(3, 16);
  readonly body = new masa.ResidualBlocks(16, 4);
  readonly up = [new masa.ConvTranspose2d(16, 16), new masa.ConvTranspose2d(16, 16)];
  readonly tail = new masa.Conv2d(16, 3);

  /** [N, 3, H, W] → [N, 3, 4H, 4W]: what is added to the bicubic enlargement. */
  forward(lr: masa.Tensor): masa.Tensor {
    const [height, width] = lr.shape.slice(2) as [number, number];
    const features = this.body.forward(this.head.forward(lr));
    const large = this.up.reduce((x, up) => up.forward(x, { activation: "relu" }), features);
    return masa.add(this.tail.forward(large), masa.bicubicResize(lr, [4 * height, 4 * width]));
  }
}
const [data, steps = "20"] = process.argv.slice(2) as [string, string?];
const device = await masa.openDevice();
const { pairs } = await masa.findTrainingData(data);
const loader = new masa.Loader(pairs, { batch: 4, seed: 1, size: 64 });
const net = new Net();
const adam = new masa.Adam(net.parameters, { lr: 2e-3 });
for (const part of [net, adam]) await part.allocate(device);
const step = await masa.compile(device, { lr: loader.shapes.lr, hr: loader.shapes.hr }, ({ lr, hr }) => {
  const loss = masa.l1Loss(net.forward(lr), hr);
  adam.step(masa.grad(loss, adam.parameters), { clipNorm: 1 });
  return { loss };
});
for await (const { lr, hr } of loader.batches(
  { epoch: 0, step: 0 },
  { exchange: false, colour: false, geometry: false },
)) {
  const { loss } = await step.run({ lr, hr });
  process.stdout.write(`step ${adam.steps}: L1 ${loss.item()?.toFixed(4)}\n`);
  if (adam.steps >= Number(steps)) break;
}
await loader.dispose();
await masa.writeSafetensors("net.safetensors", await net.stateDict());
device.dispose();
