/**
 * Every algorithm of the convolution kernels against the direct one, which the operations' own tests hold against float64.
 *
 * Both are float32 sums of the same K products in different orders, so they differ by at most twice the bound of one,
 * 2 · 4·√K·2⁻²⁴·Σ|terms| (see check.ts). Σ|terms| is the plain kernel on absolute values.
 */
import { expect } from "chai";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { record } from "../../../src/graph/trace/graph.js";
import type { Operation, Tensor, Tensors } from "../../../src/graph/trace/tensor.js";
import { convolve, transpose, weightGradient } from "../../../src/kernels/convolution/choose.js";
import type { Window } from "../../../src/kernels/convolution/problem.js";
import { type Dtype, elements, type Operand, Recorder, type Shape } from "../../../src/kernels/kernel.js";
import { nodePlatform, openDevice } from "../../../src/platform/node.js";
import { testDevice } from "../../device.js";
import { Random } from "./check.js";
import { errorScale, everyVariant, taken } from "./variants.js";

interface Case {
  readonly N: number;
  readonly C: number;
  /** Channels of a second input; 0 for none. */
  readonly C2: number;
  readonly O: number;
  readonly H: number;
  readonly W: number;
  readonly kh: number;
  readonly kw: number;
  readonly window: Window;
  readonly bias: boolean;
  readonly residual: boolean;
  readonly slope: number;
}

type Kernel = (recorder: Recorder, inputs: Readonly<Record<string, Operand>>, y: Operand, test: Case) => void;

interface Direction {
  shapes(test: Case): Readonly<Record<string, Shape>>;
  output(test: Case): Shape;
  /** Products in one sum. */
  terms(test: Case): number;
  readonly kernel: Kernel;
}

const side = (length: number, k: number, { stride, padding, dilation }: Window) =>
  Math.floor((length + 2 * padding - dilation * (k - 1) - 1) / stride) + 1;
const outputShape = ({ N, O, H, W, kh, kw, window }: Case): Shape => [N, O, side(H, kh, window), side(W, kw, window)];
const concatShape = ({ N, C2, H, W }: Case): Shape => [N, Math.max(1, C2), H, W];
/** The transposition uses the weight's channels from 2 on, of which there is one more than it needs. */
const FIRST = 2;

const directions: Record<string, Direction> = {
  convolve: {
    shapes: (test) => ({
      x: [test.N, test.C, test.H, test.W],
      weight: [test.O, test.C + test.C2, test.kh, test.kw],
      bias: [test.O],
      concat: concatShape(test),
      residual: outputShape(test),
    }),
    output: outputShape,
    terms: ({ C, C2, kh, kw }) => (C + C2) * kh * kw + 2,
    kernel: (recorder, { x, weight, bias, concat, residual }, y, test) =>
      convolve(recorder, {
        ...{ x: x as Operand, weight: weight as Operand, y, window: test.window, slope: test.slope },
        ...{ bias: test.bias ? bias : undefined, concat: test.C2 ? concat : undefined },
        residual: test.residual ? residual : undefined,
      }),
  },
  transpose: {
    shapes: (test) => ({
      x: outputShape(test),
      weight: [test.O, FIRST + test.C + 1, test.kh, test.kw],
      bias: [test.C],
    }),
    output: ({ N, C, H, W }) => [N, C, H, W],
    terms: ({ O, kh, kw }) => O * kh * kw + 1,
    kernel: (recorder, { x, weight, bias }, y, { window, slope, bias: hasBias }) =>
      transpose(recorder, {
        ...{ x: x as Operand, weight: weight as Operand, first: FIRST, y, window, slope },
        bias: hasBias ? bias : undefined,
      }),
  },
  "weight gradient": {
    shapes: (test) => ({
      x: [test.N, test.C, test.H, test.W],
      dy: outputShape(test),
      concat: concatShape(test),
    }),
    output: ({ O, C, C2, kh, kw }) => [O, C + C2, kh, kw],
    terms: (test) => elements(outputShape(test)) / test.O,
    kernel: (recorder, { x, dy, concat }, y, { C2, window }) =>
      weightGradient(recorder, {
        ...{ x: x as Operand, dy: dy as Operand, dweight: y, window },
        concat: C2 ? concat : undefined,
      }),
  },
};

/** Sides that are below, at and above those of the tiles, every window of the networks, and others. */
function draw(random: Random, i: number): Case {
  const windows: [number, number, Window][] = [
    [3, 3, { stride: 1, padding: 1, dilation: 1 }],
    [3, 3, { stride: 2, padding: 1, dilation: 1 }],
    [4, 4, { stride: 2, padding: 1, dilation: 1 }],
    [1, 1, { stride: 1, padding: 0, dilation: 1 }],
    [3, 3, { stride: 1, padding: 2, dilation: 2 }],
    [2, 5, { stride: 3, padding: 0, dilation: 1 }],
    [1, 6, { stride: 1, padding: 1, dilation: 1 }],
    [3, 3, { stride: 2, padding: 2, dilation: 2 }],
    [2, 3, { stride: 2, padding: 1, dilation: 3 }],
    [1, 1, { stride: 3, padding: 0, dilation: 1 }],
  ];
  const [kh, kw, window] = windows[i % windows.length] as (typeof windows)[number];
  return {
    ...{ kh, kw, window },
    N: random.int(1, 3),
    C: random.pick([1, 3, 8, 17, 33]),
    C2: random.pick([0, 0, 1, 6]),
    O: random.pick([1, 3, 16, 17, 65]),
    H: random.int(1, 7) + window.dilation * (kh - 1),
    W: random.pick([1, 7, 10, 11, 23]) + window.dilation * (kw - 1),
    bias: random.next() < 0.5,
    residual: random.next() < 0.5,
    slope: random.pick([1, 0, 0.2]),
  };
}

function operation(direction: Direction, test: Case): Operation<Readonly<Record<string, Tensor>>, Tensors<"y">> {
  return {
    name: "subject",
    outputs: () => ({ y: { shape: direction.output(test) } }),
    kernel: (recorder, inputs, { y }) => direction.kernel(recorder, inputs, y, test),
  };
}

async function compare(
  direction: Direction,
  test: Case,
  random: Random,
  { on = testDevice(), only = /./ } = {},
): Promise<void> {
  const device = await on;
  const shapes = direction.shapes(test);
  const data = Object.entries(shapes).map(
    ([name, shape]) => [name, Float32Array.from(random.array(shape).data)] as const,
  );
  const absolute = data.map(([name, values]) => [name, values.map(Math.abs)] as const);
  const turns = await everyVariant(async (choices) => {
    const build = (inputs: Readonly<Record<string, Tensor>>) => record(operation(direction, test), inputs);
    const plan = await compile(device, shapes, build, { choices });
    try {
      const { y } = dataOf(await plan.run(Object.fromEntries(data)));
      const { y: magnitude } = dataOf(await plan.run(Object.fromEntries(absolute)));
      return { y, magnitude, choices: plan.choices };
    } finally {
      plan.dispose();
    }
  }, only);
  const plain = turns.find((turn) => taken(turn) === "direct");
  if (!plain) return expect.fail("direct is not a candidate");
  const unit = 2 * 4 * Math.sqrt(direction.terms(test)) * 2 ** -24;
  for (const turn of turns) {
    const scale = errorScale(turn, plain.magnitude);
    for (const [i, expected] of plain.y.entries()) {
      const error = Math.abs((turn.y[i] as number) - expected);
      if (!(error <= unit * scale(i)))
        expect.fail(`${taken(turn)}[${i}] of [${direction.output(test)}]: ${turn.y[i]}, plain ${expected}`);
    }
  }
}

describe("convolution variants", () => {
  for (const [name, direction] of Object.entries(directions)) {
    for (let i = 0; i < 25; i++) {
      const random = new Random(`${name} ${i}`);
      const test = draw(random, i);
      it(`${name} ${JSON.stringify(test)}`, () => compare(direction, test, random));
    }
  }

  /** What a halo tile takes: rows of whole vectors, in and out; tiles in part, of each shape, and channels in part. */
  for (const [i, [O, C, C2, W, k, stride, padding]] of (
    [
      [3, 17, 0, 40, 3, 1, 1],
      [16, 9, 6, 84, 3, 1, 1],
      [65, 5, 3, 44, 3, 1, 1],
      [64, 8, 0, 40, 3, 1, 1],
      [64, 16, 0, 24, 1, 1, 0],
      [9, 6, 5, 24, 4, 2, 1],
      [33, 5, 0, 40, 3, 2, 1],
    ] as const
  ).entries()) {
    for (const name of Object.keys(directions).filter((name) => name !== "transpose" || i === 1 || i === 6)) {
      const random = new Random(`halo ${i}`);
      const window = { stride, padding, dilation: 1 };
      const [H, columns] = [random.int(k, 40), W];
      const test: Case = {
        ...{ N: random.int(1, 2), C, C2, O, H, W: columns, kh: k, kw: k, window },
        ...{ bias: random.next() < 0.7, residual: random.next() < 0.5, slope: random.pick([1, 0.2]) },
      };
      it(`rows of whole vectors: ${name} ${JSON.stringify(test)}`, () =>
        compare(directions[name] as Direction, test, random, { only: /^(direct|halo-tile)/ }));
    }
  }

  it("a large number of products", () =>
    compare(
      directions.convolve as Direction,
      {
        ...{ N: 1, C: 512, C2: 64, O: 70, H: 6, W: 12, kh: 3, kw: 3, bias: true, residual: true, slope: 1 },
        window: { stride: 1, padding: 1, dilation: 1 },
      },
      new Random("large"),
    ));

  it("two inputs of which one, but not both, fit a binding", async () => {
    const limits = { maxStorageBufferBindingSize: 40_000 };
    const small = await openDevice({ limits }, { ...nodePlatform, warn: () => {} });
    try {
      const test: Case = {
        ...{ N: 1, C: 9, C2: 8, O: 9, H: 24, W: 24, kh: 3, kw: 2, bias: true, residual: true, slope: 0.2 },
        window: { stride: 1, padding: 1, dilation: 1 },
      };
      await compare(directions.convolve as Direction, test, new Random("binding"), { on: Promise.resolve(small) });
    } finally {
      small.dispose();
    }
  });

  it("Winograd's is the default forward where a CPU computes, there is much to do, and images have 32 bits", async () => {
    const { limits } = await testDevice();
    const taken = (channels: number, side: number, dtype: Dtype, software: boolean) => {
      const recorder = new Recorder({ limits, subgroupMinSize: 8, software, choices: new Map() });
      const image: Operand = { name: "image", shape: [1, channels, side, side], dtype };
      const weight: Operand = { name: "weight", shape: [channels, channels, 3, 3], dtype: "f32" };
      convolve(recorder, { x: image, weight, y: image, window: { stride: 1, padding: 1, dilation: 1 }, slope: 1 });
      return recorder.choices[0]?.taken;
    };
    expect(taken(64, 160, "f32", true)).to.equal("winograd/4x4");
    expect(taken(64, 160, "f16", true)).to.equal("subgroup/8");
    expect(taken(16, 160, "f32", true)).to.equal("subgroup/8");
    expect(taken(64, 16, "f32", true)).to.equal("subgroup/8");
    expect(taken(64, 160, "f32", false)).to.equal("halo-tile/8x8");
  });
});
