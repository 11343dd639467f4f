/** Documents, messages and comments are plain English: phrases that read as translated do not come back. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "./documents.js";

/** What not to write, and what to write instead. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\bof (?:one's|its|your|their|his) own\b|\bone's own\b/i, "custom, separate, your"],
  [/(?<!there )\bis no (?!longer\b|more\b|less\b|better\b|worse\b)[a-z]/i, "is not a …"],
  [/\b(?:or|is) no number\b/i, "NaN"],
  [/\b(?:for|from|by|with) who\b|[.;:] Who [a-z]/, "for callers that …"],
  [/\bgoes without\b/i, "is omitted, is evicted"],
  [/\b(?:is|are) dear\b/i, "expensive"],
  [/\bwants? (?:to|its|an?|the|it)\b/i, "needs, expects"],
  [/\b(?:is|are) wanted\b/i, "is expected, is required"],
  [/\btells (?:how|what|which|whether|of)\b/i, "reports, prints, returns"],
  [/\bcannot be meant\b/i, "is invalid"],
  [/\bat hand\b/i, "available"],
  [/\b(?:must be|that is all that is) there\b/i, "you need"],
  [/\bthat there (?:is|are)\b/i, "existing"],
  [/\bas yet\b/i, "not yet"],
  [/\ba second of\b|\bwhat needs more\b/i, "a larger …"],
  [/\bfirst weights\b/i, "initialisation"],
  [/\bchannel quads\b|\bquads of\b/i, "NC4HW4 layout"],
  [/\bslabs?\b/i, "split-K partial sums, split-K ranges"],
  [/\bis there whole or not at all\b/i, "is written atomically"],
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
    const found = texts().flatMap((path) =>
      readFileSync(join(ROOT, path), "utf8")
        .split("\n")
        .flatMap((line, i) =>
          PHRASES.filter(([phrase]) => phrase.test(line)).map(
            ([phrase, better]) => `${path}:${i + 1}: "${phrase.exec(line)?.[0]}", better: ${better}`,
          ),
        ),
    );
    expect(found.join("\n")).to.equal("");
  });
});
