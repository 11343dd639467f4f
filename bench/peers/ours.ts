/** Our own runner. With the argument `naive`, convolutions run the kernel that a porter reads. */
import type { Device } from "../../src/gpu/device.js";
import { compile, dataOf } from "../../src/graph/plan/plan.js";
import { record } from "../../src/graph/trace/graph.js";
import type { Operation, Tensors } from "../../src/graph/trace/tensor.js";
import { direct } from "../../src/kernels/convolution/direct.js";
import { forwardProblem } from "../../src/kernels/convolution/problem.js";
import { Adam } from "../../src/nn/adam.js";
import { openDevice } from "../../src/platform/node.js";
import type { Arrays, Case } from "../case.js";
import { pipelinesOf, startCold } from "../cold.js";
import { officialTraining } from "../memory.js";
import { benchPlatform } from "../platform.js";
import { rooflineCases } from "../roofline.js";
import { type Prepared, serve } from "./serve.js";
import { CEILINGS, COLD_START, findWorkload } from "./workloads.js";

const isNaive = process.argv.includes("naive");

/** y = x ⋆ weight + bias, padded by 1. */
const naiveConvolution: Operation<Tensors<"x" | "weight" | "bias">, Tensors<"y">> = {
  name: "naive_conv2d",
  outputs: ({ x: { shape } }) => ({ y: { shape } }),
  kernel(recorder, inputs, { y }) {
    const window = { stride: 1, padding: 1, dilation: 1 };
    direct.record(recorder, forwardProblem({ ...inputs, y, window, slope: 1 }));
  },
};

function naive(subject: Case): Case {
  const build: Case["build"] = ({ x, weight, bias }) =>
    record(naiveConvolution, { x: x!, weight: weight!, bias: bias! });
  return { ...subject, build };
}

/** Nothing to draw and nothing to check. */
const COLD: Case = { name: COLD_START.name, flops: 0, bytes: 0, inputs: {}, build: () => ({}), check: () => 0 };

/** What pipelines cost that this process compiles for the first time; the caller keeps caches away from it. */
function prepareColdStart(device: Device): Prepared {
  const parts = pipelinesOf(officialTraining(device, { preset: "masa-rec" }).plans);
  return {
    async run() {
      await startCold(device, parts);
    },
    read: () => Promise.resolve({}),
    dispose() {},
  };
}

async function prepareCase(device: Device, subject: Case, inputs: Arrays): Promise<Prepared> {
  const { build } = isNaive ? naive(subject) : subject;
  for (const parameters of subject.parameters ?? []) await parameters.allocate(device);
  const plan = await compile(device, subject.inputs, build);
  plan.write(inputs);
  await device.finish();
  const trains = subject.parameters?.some((part) => part instanceof Adam);
  return {
    async run() {
      // A run reads back whether Adam made its step, and counts it.
      if (trains) await plan.run(inputs, { read: [] });
      else await plan.replay();
      await device.finish();
    },
    read: async () => dataOf(await plan.read()),
    dispose() {
      plan.dispose();
      for (const parameters of subject.parameters ?? []) parameters.dispose();
    },
  };
}

await serve(async () => {
  const device = await openDevice({ tuning: false }, { ...benchPlatform(), warn: () => {} });
  const ceilings = rooflineCases(device);
  return {
    device,
    adapter: () => device.info,
    find(name) {
      if (name === COLD_START.name) return { operation: "cold start", subject: COLD };
      if (!CEILINGS.some((ceiling) => ceiling.name === name)) return findWorkload(name);
      return { operation: "ceiling", subject: ceilings.find((subject) => subject.name.startsWith(name)) as Case };
    },
    async prepare({ operation, subject }, inputs) {
      return operation === "cold start" ? prepareColdStart(device) : await prepareCase(device, subject, inputs);
    },
  };
});
