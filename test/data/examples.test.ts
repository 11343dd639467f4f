import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { checkCases, checkPairs } from "../../src/data/check.js";
import { findTestData, findTrainingData } from "../../src/data/layouts.js";
import { TRAINING_SIZE } from "../../src/data/loader.js";

const FOLDER = fileURLToPath(new URL("../../../examples/data/cufed5", import.meta.url));

describe("example data", () => {
  it("can be trained on and evaluated", async () => {
    const { pairs } = await findTrainingData(FOLDER);
    expect(pairs).to.have.length(6);
    await checkPairs(pairs, TRAINING_SIZE);
    const { layout, cases } = await findTestData(FOLDER);
    expect([layout, cases.map(({ refs }) => refs.length)]).to.deep.equal(["CUFED5", [5, 5]]);
    await checkCases(cases);
  });
});
