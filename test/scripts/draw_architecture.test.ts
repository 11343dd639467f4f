import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = fileURLToPath(new URL("../../../", import.meta.url));

describe("the architecture's picture", () => {
  it("is what the script draws of the imports; else run node scripts/draw-architecture.mjs", () => {
    const folder = mkdtempSync(join(tmpdir(), "masa-draw-"));
    try {
      const drawn = join(folder, "drawn.svg");
      execFileSync(process.execPath, [join(root, "scripts/draw-architecture.mjs"), drawn]);
      const stored = readFileSync(join(root, "docs/architecture.svg"), "utf8");
      expect(readFileSync(drawn, "utf8") === stored).to.equal(true);
      expect(stored.match(/class="arrow"/g)?.length).to.be.above(20);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
