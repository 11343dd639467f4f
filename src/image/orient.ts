/** Turning images as EXIF's orientation says. */
import { createImage, type Image } from "./image.js";

/**
 * The upright image of one that was stored with this EXIF orientation: 1 as it is, 2 mirrored, 3 upside down, 4 mirrored
 * upside down, 5 to 8 with rows and columns exchanged (EXIF 2.32, tag 0x0112).
 */
export function orientImage(image: Image, orientation: number): Image {
  if (orientation <= 1 || orientation > 8) return image;
  const { width, height, channels, bitDepth, data } = image;
  const exchanged = orientation >= 5;
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const upright = createImage(exchanged ? height : width, exchanged ? width : height, channels, bitDepth);
  let to = 0;
  for (let y = 0; y < upright.height; y++) {
    for (let x = 0; x < upright.width; x++) {
      const column = exchanged ? y : x;
      const row = exchanged ? x : y;
      const from =
        ((fromBottom ? height - 1 - row : row) * width + (fromRight ? width - 1 - column : column)) * channels;
      for (let c = 0; c < channels; c++) upright.data[to++] = data[from + c] as number;
    }
  }
  return upright;
}
