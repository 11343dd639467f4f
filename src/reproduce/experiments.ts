/** The experiments by name: what each is given, and what it needs. */

import { findTestData } from "../data/layouts.js";
import type { Workforce } from "../data/workforce.js";
import { prepareCases } from "../evaluate/evaluate.js";
import type { Device } from "../gpu/device.js";
import { loadMasa } from "../models/load.js";
import { type AblationTable, ablations, type Training } from "./ablations.js";
import { dense } from "./dense.js";
import { fig5 } from "./fig5.js";
import { fig6 } from "./fig6.js";
import { levels } from "./levels.js";
import type { Result } from "./result.js";
import { findTestSets, table1 } from "./table1.js";
import { table2 } from "./table2.js";
import { readPeers, targets } from "./targets.js";

export interface Request {
  readonly device: Device;
  /** The processes that divide the work: they evaluate images, or train and measure whole networks. */
  readonly workforce: Workforce;
  readonly signal: AbortSignal;
  /** Told what is being done. */
  readonly onStatus: (status: string) => void;
  /** Where trained networks are: a folder for each run. */
  readonly networks: string;
  /** Sides of the images on which dense matching is measured. */
  readonly sides: readonly number[];
  readonly weights: { readonly path: string; readonly name: string };
  /** Weights of a network that was trained without a reference, to compare with. */
  readonly without?: string | undefined;
  /** Scores of other networks, a file of `npm run bench:quality -- --json`. */
  readonly peers?: string | undefined;
  readonly data?: string | undefined;
  readonly limit?: number | undefined;
  readonly preset: string;
  readonly steps?: number | undefined;
  readonly seeds: readonly number[];
}

type WithData = Request & { readonly data: string };

/** Runs that the least time is taken of. */
const ROUNDS = 3;

/** In the order of the paper. Those that train go on with what they find in their folders. */
export const EXPERIMENTS = {
  async table1(request: WithData) {
    const { device, weights, data, limit, workforce, signal, onStatus } = request;
    const sets = await findTestSets(data, limit, signal);
    const masa = await loadMasa(device, weights.path);
    try {
      return await table1(device, masa, { sets, limit, weights: weights.name, workforce, signal, onStatus });
    } finally {
      masa.parameters.dispose();
    }
  },
  table2: ({ device }: Request) => table2(device),
  table3: (request: Request) => compare("table3", request),
  table4: (request: Request) => compare("table4", request),
  async fig5({ device, data, limit, weights: { path, name }, ...rest }: Request) {
    if (data === undefined) return fig5(device);
    const cases = await prepareCases(await findTestData(data), { limit });
    return fig5(device, { ...rest, cases, weights: path, name });
  },
  fig6: (request: WithData) => fig6(request.device, trainingOf(request)),
  async levels({ device, data, ...request }: WithData) {
    return levels(device, { ...request, data: await findTestData(data) });
  },
  async targets({ device, data, peers, weights, ...request }: WithData) {
    const others = peers === undefined ? undefined : await readPeers(peers);
    const masa = await loadMasa(device, weights.path);
    try {
      const tests = { data: await findTestData(data), peers: others, weights: weights.name };
      return await targets(device, masa, { ...request, ...tests });
    } finally {
      masa.parameters.dispose();
    }
  },
  dense: ({ device, sides, signal, onStatus }: Request) =>
    dense(device, { sides, rounds: ROUNDS }, signal, (side) => onStatus(`dense ${side}×${side}`)),
} as const satisfies Readonly<Record<string, (request: WithData) => Result | Promise<Result>>>;

export type ExperimentName = keyof typeof EXPERIMENTS;

function compare(table: AblationTable, request: Request): Promise<Result> {
  const { device, data } = request;
  return ablations(device, table, data === undefined ? undefined : trainingOf({ ...request, data }));
}

function trainingOf({ networks, ...request }: WithData): Training {
  return { folder: networks, ...request };
}
