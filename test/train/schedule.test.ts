import { expect } from "chai";
import { cosineAnnealing, learningRate } from "../../src/train/schedule.js";

/** torch.optim.lr_scheduler.CosineAnnealingLR (PyTorch 1.13) with base 1e-4 and T_max 500, after t steps. */
const TORCH: readonly (readonly [t: number, lr: number])[] = [
  [0, 0.0001],
  [1, 9.999901304280685e-5],
  [2, 9.999605221019082e-5],
  [20, 9.960573506572391e-5],
  [490, 9.866357858642197e-8],
  [498, 3.9477898091944095e-9],
  [499, 9.869571931442326e-10],
  [501, 9.869571931442334e-10],
  [510, 9.866357858642205e-8],
];

describe("cosineAnnealing", () => {
  it("gives PyTorch's values, past the minimum too", () => {
    for (const [t, lr] of TORCH) expect(cosineAnnealing({ baseLr: 1e-4, tMax: 500 }, t) / lr).to.be.closeTo(1, 1e-12);
  });

  it("falls from the base rate to etaMin and has a period of 2·tMax", () => {
    const schedule = { baseLr: 0.3, tMax: 10, etaMin: 0.1 };
    expect(cosineAnnealing(schedule, 0)).to.equal(0.3);
    expect(cosineAnnealing(schedule, 5)).to.be.closeTo(0.2, 1e-15);
    expect(cosineAnnealing(schedule, 10)).to.equal(0.1);
    for (const t of [0, 1, 4, 9, 13])
      expect(cosineAnnealing(schedule, t + 20)).to.be.closeTo(cosineAnnealing(schedule, t), 1e-15);
  });
});

describe("learningRate", () => {
  const base = { schedule: "constant", lr: 1e-4, period: 500, gamma: 0.5, warmup: 0, epochs: 3, steps: null } as const;
  /** The rates of steps 0, 1, … at two steps an epoch. */
  const rates = (changes: Partial<Parameters<typeof learningRate>[0]>, steps: number) =>
    Array.from({ length: steps }, (_, step) => learningRate({ ...base, ...changes }, step, 2));

  it("follows the cosine epoch by epoch and begins with t = 1, as officially", () => {
    const [t1, t2] = [9.999901304280685e-5, 9.999605221019082e-5];
    const found = rates({ schedule: "cosine" }, 1000);
    for (const [step, expected] of [
      [0, t1],
      [1, t1],
      [2, t2],
      [3, t2],
      [997, 9.869571931442326e-10],
      [998, 0],
      [999, 0],
    ] as const)
      expect(found[step], `step ${step}`).to.be.closeTo(expected, 1e-16);
  });

  it("falls at every period of a step schedule, which need not be whole", () => {
    expect(rates({ schedule: "step", lr: 8, period: 2 }, 10)).to.deep.equal([8, 8, 8, 8, 4, 4, 4, 4, 2, 2]);
    expect(rates({ schedule: "step", lr: 8, period: 1.5 }, 8)).to.deep.equal([8, 8, 8, 8, 4, 4, 2, 2]);
  });

  it("anneals step by step over the run, which its steps or its epochs end", () => {
    const half = (1 + Math.SQRT1_2) / 2;
    const found = rates({ schedule: "anneal", lr: 8, steps: 4 }, 4);
    for (const [i, share] of [1, half, 0.5, 1 - half].entries()) expect(found[i]).to.be.closeTo(8 * share, 1e-12);
    expect(rates({ schedule: "anneal", epochs: 2 }, 4)).to.deep.equal(rates({ schedule: "anneal", steps: 4 }, 4));
  });

  it("stays where it is constant", () => {
    expect(rates({}, 3)).to.deep.equal([1e-4, 1e-4, 1e-4]);
  });

  it("rises from nothing to the schedule's rate at the last step of the warm-up", () => {
    expect(rates({ lr: 8, warmup: 4 }, 6)).to.deep.equal([2, 4, 6, 8, 8, 8]);
    expect(rates({ schedule: "step", lr: 8, period: 1, warmup: 4 }, 6)).to.deep.equal([2, 4, 3, 4, 2, 2]);
    expect(rates({ lr: 8, warmup: 1 }, 2)).to.deep.equal([8, 8]);
  });
});
