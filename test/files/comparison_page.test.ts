import { expect } from "chai";
import { comparisonPage, escapeHtml } from "../../src/files/comparison_page.js";
import { decodePng } from "../../src/files/png.js";
import { createImage } from "../../src/image/image.js";
import { fillNoise } from "./golden.js";

const NASTY = `"><b onclick='x()'>&amp;`;

describe("the page that compares", () => {
  const panel = (seed: number, caption: string) => ({ image: fillNoise(createImage(6, 4, 3, 8), seed), caption });
  const panels = [panel(1, "bicubic"), panel(2, NASTY)];
  const page = comparisonPage(NASTY, NASTY, panels, panel(3, "MASA"));

  it("holds the pictures themselves, and asks for nothing else", () => {
    const pictures = [...page.matchAll(/src="data:image\/png;base64,([^"]+)"/g)].map(([, data]) =>
      decodePng(new Uint8Array(Buffer.from(data as string, "base64")), "x"),
    );
    expect(pictures).to.deep.equal([panel(3, ""), ...panels].map(({ image }) => image));
    expect(page)
      .to.include("default-src 'none'")
      .and.not.match(/https?:|<link|src="(?!data:)/);
  });

  it("has names only as text", () => {
    expect(page).to.not.include("<b ").and.not.include("onclick='");
    expect(escapeHtml(NASTY)).to.equal("&#34;&#62;&#60;b onclick=&#39;x()&#39;&#62;&#38;amp;");
  });
});
