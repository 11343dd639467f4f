/** Trains a small network on a folder of image pairs, goes on where it stopped: node dist/examples/train.js PAIRS RUN [STEPS] */
import { openDevice, train } from "masa-webgpu";

const [data, out, steps = "200"] = process.argv.slice(2) as [string, string, string?];
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());

const device = await openDevice();
const { step, best, checkpoint } = await train(device, {
  out,
  resume: true,
  config: { preset: "tiny", data, steps: Number(steps), clip: 1, seed: 1 },
  signal: stop.signal,
  onMessage: (text) => process.stdout.write(`${text}\n`),
  onStep: ({ step, epoch, losses, imagesPerSecond }) =>
    process.stdout.write(
      `step ${step}, epoch ${epoch}: L1 ${losses.rec?.toFixed(4)}, ${imagesPerSecond.toFixed(1)} images/s\n`,
    ),
  onValidation: ({ mean, sheet }) =>
    process.stdout.write(
      `PSNR-Y ${mean.psnr.toFixed(2)} dB, bicubic ${mean.bicubicPsnr.toFixed(2)} dB, pictures in ${sheet}\n`,
    ),
});
device.dispose();
process.stdout.write(`${step} steps, best ${best?.psnr.toFixed(2)} dB; weights: ${checkpoint}\n`);
