/** Enlarges an image four times: node dist/examples/upscale.js low.png reference.png weights.pth large.png */
import { loadMasa, openDevice, readImage, upscale, writeImage } from "masa-webgpu";

const [lr, ref, weights, out] = process.argv.slice(2) as [string, string, string, string];
const device = await openDevice();
const masa = await loadMasa(device, weights);
const { image, similarity } = await upscale(device, masa, { lr: await readImage(lr), refs: [await readImage(ref)] });
await writeImage(out, image);
device.dispose();
process.stdout.write(`${image.width}×${image.height}, mean similarity with the reference ${similarity.toFixed(3)}\n`);
