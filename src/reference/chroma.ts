/** The colour of an image without its brightness, in float64. */
import { map, type NdArray } from "./array.js";

/** x [N, C, H, W] minus each pixel's mean over the channels. */
export function chroma(x: NdArray): NdArray {
  const [, C, H, W] = x.shape as [number, number, number, number];
  const plane = H * W;
  return map(x, (value, i) => {
    const pixel = Math.floor(i / (C * plane)) * C * plane + (i % plane);
    let sum = 0;
    for (let c = 0; c < C; c++) sum += x.data[pixel + c * plane] as number;
    return value - sum / C;
  });
}

/** The gradient of `chroma`: a symmetric projection is its own adjoint. */
export const chromaGradient = chroma;
