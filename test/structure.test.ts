import { existsSync, readdirSync } from "node:fs";
import { expect } from "chai";

const ROOT = new URL("../../", import.meta.url);
const SHARED = ["index"];
/** Compositions of other operations, without a kernel of their own. */
const COMPOSED = ["bce_with_logits", "chroma", "l1_loss", "mse_loss", "smooth_l1_loss"];

describe("structure", () => {
  const names = readdirSync(new URL("src/graph/ops", ROOT))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -".ts".length))
    .filter((name) => !SHARED.includes(name));

  it("knows operations", () => {
    expect(names).to.include.members(["conv2d", "pointwise", "fine_match"]);
  });

  for (const name of names) {
    it(`${name} has its five places`, () => {
      const places = [`src/reference/${name}.ts`, `test/graph/ops/${name}.test.ts`];
      if (!COMPOSED.includes(name)) places.push(`src/kernels/${name}.ts`);
      expect(places.filter((place) => !existsSync(new URL(place, ROOT)))).to.deep.equal([]);
    });
  }
});
