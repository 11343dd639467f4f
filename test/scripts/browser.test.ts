import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect } from "chai";

const { findBrowser } = (await import(new URL("../../../scripts/browser.mjs", import.meta.url).href)) as {
  findBrowser(env: Record<string, string>): string | undefined;
};

describe("the browser for tests", () => {
  it("is the one named, or the first program of the path that is one", () => {
    const folder = mkdtempSync(join(tmpdir(), "masa-browser-"));
    try {
      const chrome = join(folder, "google-chrome");
      writeFileSync(chrome, "");
      chmodSync(chrome, 0o755);
      writeFileSync(join(folder, "chromium"), "no program");
      expect(findBrowser({ PATH: `/nowhere${delimiter}${folder}` })).to.equal(chrome);
      expect(findBrowser({ CHROME: "/my/chrome", PATH: folder })).to.equal("/my/chrome");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
