/** The weight gradient by slabs of dy in uniform buffers, `shaders/conv2d_weight_gradient_slab.wgsl`: for CPU adapters. */
import type { WeightGradient } from "./convolution.js";
import { elements, flatGrid, type Recorder } from "./kernel.js";

type Sides = [number, number, number, number];

/** Output channels of a thread. */
const OUTPUTS = 16;
const WORKGROUP = 8;

/** Records the gradient; false, recording nothing, where it does not fit slabs. */
export function weightGradientSlabs(recorder: Recorder, { x, concat, dy, dweight, window }: WeightGradient): boolean {
  const [N, split, H, W] = x.shape as Sides;
  const [O, C, KY, KX] = dweight.shape as Sides;
  const [, , P, Q] = dy.shape as Sides;
  const { stride, padding, dilation } = window;
  const { limits } = recorder.machine;
  if (dilation !== 1) return false;
  const columns = 4 * Math.ceil(Q / 4);
  const rowLength = columns * OUTPUTS;
  const most = Math.floor(Math.min(limits.maxUniformBufferBindingSize, 65536) / (4 * rowLength));
  const padded = [
    N,
    C,
    Math.max(padding + H, (P - 1) * stride + KY),
    Math.max(padding + W, (columns - 1) * stride + KX),
  ] as Sides;
  const groups = Math.ceil(O / OUTPUTS);
  // Every binding has the length that the shader declares, so the last slab needs room behind it.
  const slab = Math.min(limits.maxUniformBufferBindingSize, 65536) / 4;
  const packedLength = groups * N * P * rowLength;
  if (most === 0 || 4 * Math.max(elements(padded), packedLength + slab) > limits.maxStorageBufferBindingSize)
    return false;

  const input = recorder.scratch("padded input", padded);
  recorder.dispatch({
    shader: "conv2d_pad",
    params: { count: elements(padded), C, split, H, W, PH: padded[2], PW: padded[3], top: padding, left: padding },
    bindings: { x, concat: concat ?? x, y: input },
    workgroups: flatGrid(elements(padded)),
  });
  const packed = recorder.scratch("packed dy", [packedLength + slab]);
  recorder.dispatch({
    shader: "conv2d_weight_gradient_pack",
    params: { count: packedLength, N, O, P, Q, columns },
    bindings: { dy, packed },
    workgroups: flatGrid(packedLength),
  });
  for (let group = 0; group < groups; group++)
    for (let n = 0; n < N; n++)
      for (let p0 = 0; p0 < P; p0 += most) {
        const rows = Math.min(most, P - p0);
        recorder.dispatch({
          shader: "conv2d_weight_gradient_slab",
          constants: {
            ...{ KX: `${KX}u`, STEP: `${stride}u`, STRIP: `${3 * stride + KX}u` },
            ...{ SLAB: `${slab / 4}u`, WORKGROUP: `${WORKGROUP}u` },
          },
          params: {
            ...{ count: C * KY, KY, C, PH: padded[2], PW: padded[3], n, p0, rows, columns, O, o0: group * OUTPUTS },
            is_first: Number(n === 0 && p0 === 0),
          },
          bindings: {
            x: input,
            slab: { operand: packed, offset: ((group * N + n) * P + p0) * rowLength, length: slab },
            dweight,
          },
          workgroups: [Math.ceil((C * KY) / WORKGROUP), 1, 1],
        });
      }
  return true;
}
