/** The golden set of the repository on this machine's adapter. `npm run conformance` runs the long cases too. */
import { expect } from "chai";
import { passes } from "../../src/conformance/compare.js";
import { GoldenSet } from "../../src/conformance/manifest.js";
import { runCase } from "../../src/conformance/run.js";
import { testDevice } from "../device.js";
import { goldenPath } from "../files/golden.js";

/** Training, and whole networks but the smallest, take minutes each on a software adapter. */
const LONG = /^(train\/|net\/(?!wrap$))/;

const set = GoldenSet.open(goldenPath(""));

describe("golden cases", function () {
  this.timeout(600_000);
  for (const golden of set.cases) {
    const name = `${golden.part}/${golden.name}`;
    if (LONG.test(name)) continue;
    it(name, async () => {
      const { result } = await runCase(set, golden, await testDevice());
      expect(result.problem).to.equal(undefined);
      expect(result.checks.filter((check) => !passes(check))).to.deep.equal([]);
      expect(result.passed).to.equal(true);
    });
  }
});
