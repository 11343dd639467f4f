/** Windows that slide over an image: the loop nest that unfold and fold share. */

export interface WindowAttributes {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: number;
  readonly dilation: number;
}

/** How many windows an image [H,W] has, down and across. */
export function windowCount(
  [H, W]: readonly [number, number],
  { kernel, stride, padding, dilation }: WindowAttributes,
): [number, number] {
  return [
    Math.floor((H + 2 * padding - dilation * (kernel[0] - 1) - 1) / stride[0]) + 1,
    Math.floor((W + 2 * padding - dilation * (kernel[1] - 1) - 1) / stride[1]) + 1,
  ];
}

/** Calls `element` with the flat index in the columns [N,C·kh·kw,L] and the one in the image [N,C,H,W] it stands for. */
export function forEachElement(
  image: readonly number[],
  attributes: WindowAttributes,
  element: (column: number, pixel: number) => void,
): void {
  const [N, C, H, W] = image as [number, number, number, number];
  const { kernel, stride, padding, dilation } = attributes;
  const [rows, columns] = windowCount([H, W], attributes);
  for (let plane = 0; plane < N * C; plane++)
    for (let ky = 0; ky < kernel[0]; ky++)
      for (let kx = 0; kx < kernel[1]; kx++)
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++) {
            const y = row * stride[0] - padding + ky * dilation;
            const x = column * stride[1] - padding + kx * dilation;
            if (y < 0 || y >= H || x < 0 || x >= W) continue;
            const line = (plane * kernel[0] + ky) * kernel[1] + kx;
            element((line * rows + row) * columns + column, (plane * H + y) * W + x);
          }
}
