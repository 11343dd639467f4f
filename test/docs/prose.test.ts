/** Documents, messages and comments are plain English: phrases that read as translated do not come back. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "./documents.js";

/** What not to write (in any case), and what to write instead. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\bof (?:one's|its|your|their|his) own\b|\bone's own\b/, "custom, separate, your"],
  [/(?<!there\s)\bis no (?!longer\b|more\b|less\b|better\b|worse\b)[a-z]/, "is not a …"],
  [/\b(?:or|is) no number\b/, "NaN"],
  [/\b(?:for|from|by|with) who\b|[.;:] who [a-z]/, "for callers that …"],
  [/\bgoes without\b/, "is omitted, is evicted"],
  [/\b(?:is|are) dear\b/, "expensive"],
  [/\bwants? (?:to|its|an?|the|it)\b/, "needs, expects"],
  [/\b(?:is|are) wanted\b/, "is expected, is required"],
  [/\btells (?:how|what|which|whether|of)\b/, "reports, prints, returns"],
  [/\bcannot be meant\b/, "is invalid"],
  [/\bat hand\b/, "available"],
  [/\b(?:must be|that is all that is) there\b/, "you need"],
  [/\bthat there (?:is|are)\b/, "existing"],
  [/\bas yet\b/, "not yet"],
  [/\ba second of\b|\bwhat needs more\b/, "a larger …"],
  [/\bfirst weights\b/, "initialisation"],
  [/\bchannel quads\b|\bquads of\b/, "NC4HW4 layout"],
  [/\bslabs?\b/, "split-K partial sums, split-K ranges"],
  [/\bis there whole or not at all\b/, "is written atomically"],
];

const TREES = ["docs"];

/** Every text that a person reads, except packages, builds, golden results and this list. */
function texts(): string[] {
  const inTrees = TREES.flatMap((tree) =>
    readdirSync(join(ROOT, tree), { recursive: true, encoding: "utf8" }).map((path) => `${tree}/${path}`),
  );
  return ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...inTrees]
    .filter((path) => /\.(md|ts|mjs|wgsl|html)$/.test(path))
    .filter((path) => !/node_modules|^docs\/api\/|^test\/golden\/|prose\.test\.ts$/.test(path));
}

describe("prose", () => {
  it("has none of the phrases that read as translated", () => {
    const found = texts().flatMap((path) => {
      const text = readFileSync(join(ROOT, path), "utf8");
      return PHRASES.flatMap(([phrase, better]) =>
        [...text.matchAll(new RegExp(phrase, "gi"))].map(({ 0: match, index }) => {
          const line = text.slice(0, index).split("\n").length;
          return `${path}:${line}: "${match}", better: ${better}`;
        }),
      );
    });
    expect(found.join("\n")).to.equal("");
  });
});
