/**
 * The paper's table 2, counted from the graph of the network: parameters and multiply-adds as the official counter counts,
 * what a pass really takes, and what the dispatches of this adapter compute and move.
 */
import type { Device } from "../gpu/device.js";
import { Plan } from "../graph/plan/plan.js";
import { input, trace } from "../graph/trace/graph.js";
import { countFlops, type NetworkFlops } from "../masa/flops.js";
import { Masa } from "../masa/masa.js";
import type { Implementation } from "../masa/matching.js";
import { barChart } from "./chart.js";
import { giga, mega } from "./format.js";
import { TABLE2 } from "./paper.js";
import type { Figure, Result, Table } from "./result.js";
import { addWork, NOTHING, type Work, workOf } from "./work.js";

const LR = [TABLE2.lr, TABLE2.lr] as const;
const REF_DOWN = [TABLE2.ref / 4, TABLE2.ref / 4] as const;

export function table2(device: Device): Result {
  const { parameters } = new Masa();
  const counted = countFlops(LR, REF_DOWN);
  const honest = honestCount(counted);
  const work = { fused: executedWork(device, "fused"), unfused: executedWork(device, "unfused") };
  return {
    name: "table2",
    title: `Table 2: parameters and arithmetic, LR ${LR.join("×")}, Ref ${TABLE2.ref}×${TABLE2.ref}`,
    text: [
      "All numbers are counted from the traced graph. A multiply-add counts once. The official counter charges a transposed " +
        "convolution for every output pixel, four times its work at stride 2, and counts elementwise operations, but neither " +
        "interpolation nor statistics; it leaves out two levels of the encoder that the official code computes of Ref↓ for " +
        "nothing, and so does this network.",
      "Executed is what this adapter's dispatches compute, a multiply-add as two operations, and what they bind: " +
        "each tensor that a dispatch reads or writes, once. The unfused implementation takes the official steps one by one; the fused " +
        "one keeps unfolded tensors and similarities out of memory, and biases, activations, residuals and concatenations " +
        "within their convolutions. The fine match multiplies each pair of pixels once and shares the product among the nine patches that have it.",
    ],
    tables: [comparison(parameters.count, counted), split(counted, honest), executed(work.fused, work.unfused)],
    figures: [figure(counted)],
    data: {
      parameters: parameters.count,
      official: { ...counted, matching: counted.coarse + counted.fine },
      honest,
      executed: work,
    },
  };
}

function comparison(parameters: number, { coarse, fine, total }: NetworkFlops): Table {
  return {
    title: "As the official code counts",
    columns: ["", "paper", "ours"],
    rows: [
      ["parameters", `${TABLE2.parameters} M`, `${mega(parameters)} M`],
      ["multiply-adds", `${TABLE2.multiplyAdds} G`, `${giga(total, 9)} G`],
      ["of these the matching's", `${TABLE2.matching} G`, `${giga(coarse + fine, 9)} G`],
      ...Object.entries(TABLE2.dense).map(([name, all]) => [`${name}, which matches densely`, `${all} G`, ""]),
    ],
  };
}

function figure({ total }: NetworkFlops): Figure {
  const bars = [["MASA, counted here", Number(giga(total, 2))] as const, ...Object.entries(TABLE2.dense)];
  return {
    name: "table2",
    caption: "Multiply-adds of one pass; those of TTSR and SRNTT are the paper's",
    svg: barChart({ label: "10⁹ multiply-adds", bars }),
  };
}

/** Multiply-adds that a pass takes: without the three quarters of a transposed convolution that multiply nothing. */
function honestCount({ conv2d, convTranspose2d, coarse, fine }: NetworkFlops) {
  const parts = { conv2d, convTranspose2d: convTranspose2d.exact, coarse, fine };
  return { ...parts, total: Object.values(parts).reduce((sum, part) => sum + part, 0) };
}

function split(counted: NetworkFlops, honest: ReturnType<typeof honestCount>): Table {
  const elementwise = Object.values(counted.elementwise).reduce((sum, part) => sum + part, 0);
  const row = (name: string, official: number, really: number) => [name, giga(official, 3), giga(really, 3)];
  return {
    title: "10⁹ multiply-adds",
    columns: ["", "official count", "really needed"],
    rows: [
      row("convolutions", counted.conv2d, honest.conv2d),
      row("transposed convolutions", counted.convTranspose2d.official, honest.convTranspose2d),
      row("coarse matching", counted.coarse, honest.coarse),
      row("fine matching", counted.fine, honest.fine),
      ["elementwise operations", giga(elementwise, 3), "no multiply-adds"],
      row("all", counted.total, honest.total),
    ],
  };
}

interface PathWork extends Work {
  /** Most that is held at once, besides the weights. */
  readonly memory: number;
  readonly operations: Readonly<Record<string, Work>>;
}

/** What the dispatches of a pass compute and bind. Nothing is allocated or run. */
function executedWork(device: Device, implementation: Implementation): PathWork {
  const { graph, result } = trace(() => {
    const masa = new Masa();
    const image = (name: string, [height, width]: readonly [number, number], scale = 1) =>
      input(name, [1, 3, scale * height, scale * width]);
    const inputs = { lr: image("lr", LR), ref: image("ref", REF_DOWN, 4), refDown: image("refDown", REF_DOWN) };
    return { sr: masa.forward(inputs, { implementation }).sr };
  });
  const { dispatches, bytes: memory } = new Plan(device, graph, result);
  const operations: Record<string, Work> = {};
  for (const dispatch of dispatches) {
    const name = dispatch.label.slice(dispatch.label.lastIndexOf("/") + 1);
    operations[name] = addWork(operations[name] ?? NOTHING, workOf(dispatch));
  }
  return { ...Object.values(operations).reduce(addWork, NOTHING), memory, operations };
}

function executed(fused: PathWork, unfused: PathWork): Table {
  const row = (name: string, { dispatches, flops, executed, bytes }: Work) => [
    name,
    String(dispatches),
    ...[flops, executed].map((count) => (count > 0 ? giga(count, 3) : "")),
    giga(bytes, 3),
  ];
  const ordered = Object.entries(fused.operations).sort(([, a], [, b]) => b.flops - a.flops || b.bytes - a.bytes);
  return {
    title: "Executed by the fused implementation",
    columns: ["operation", "dispatches", "GFLOP needed", "GFLOP executed", "GB"],
    rows: [...ordered.map(([name, work]) => row(name, work)), row("all", fused), row("all, unfused", unfused)],
  };
}
