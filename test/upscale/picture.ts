import { type BitDepth, type Channels, createImage, type Image } from "../../src/image/image.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { Random } from "../graph/ops/check.js";

/** A soft random pattern: not noise, so that enlarging it is meaningful. */
export function picture(width: number, height: number, channels: Channels = 3, bitDepth: BitDepth = 8): Image {
  const random = new Random(`${width} ${height} ${channels}`);
  const image = createImage(Math.ceil(width / 3), Math.ceil(height / 3), channels, bitDepth);
  for (let i = 0; i < image.data.length; i++) image.data[i] = random.int(0, bitDepth === 8 ? 255 : 65535);
  return resizeBicubic(image, width, height);
}
