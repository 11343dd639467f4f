import { expect } from "chai";
import { cosineAnnealing } from "../../src/train/schedule.js";

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
