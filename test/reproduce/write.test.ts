import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { OutputError } from "../../src/files/errors.js";
import { barChart, lineChart } from "../../src/reproduce/chart.js";
import type { Conditions, Result } from "../../src/reproduce/result.js";
import { writeResult } from "../../src/reproduce/write.js";
import { failure, inFolder } from "../files/golden.js";

const CONDITIONS: Conditions = { command: "masa reproduce a --out <out>", adapter: "GPU & co", date: "2026-11-23" };

const result = (name: string): Result => ({
  name,
  title: `Title of ${name}`,
  text: ["A < B."],
  tables: [
    {
      title: "Numbers",
      columns: ["", "paper", "ours"],
      rows: [
        ["a|b", "4.03 M", "4.028291 M"],
        ["second", "1", ""],
      ],
    },
  ],
  figures: [{ name: `${name}_curve`, caption: "A curve", svg: barChart({ label: "n", bars: [["one", 1]] }) }],
  data: { exact: 4_028_291 },
});

describe("results of experiments", () => {
  it("show names of files as text, in Markdown and HTML", () =>
    inFolder(async (folder) => {
      const nasty = 'a <b onclick="x()">\n# b | c`d';
      const rows = [[nasty, "1", "2"]];
      const { tables, ...rest } = result("a");
      await writeResult(
        folder,
        { ...rest, title: nasty, text: [nasty], tables: [{ ...tables[0]!, rows }] },
        {
          ...CONDITIONS,
          command: `masa ${nasty}`,
        },
      );
      const [markdown, page] = ["a.md", "index.html"].map((name) => readFileSync(join(folder, name), "utf8"));
      // In a code span it is text.
      expect(markdown?.replace(/`masa .*`/, "")).to.not.match(/<b |^# b/m);
      expect(markdown).to.include('| a &lt;b onclick="x()"> # b \\| c`d |');
      expect(page).to.not.include("<b ");
    }));

  it("become JSON, Markdown, charts, and a page that gathers them", () =>
    inFolder(async (folder) => {
      const out = join(folder, "new", "paper");
      const read = (name: string) => readFileSync(join(out, name), "utf8");
      await writeResult(out, result("b"), CONDITIONS);
      // Other files of the user's stay out of the page.
      writeFileSync(join(out, "other.json"), '{"name":"other"}');
      writeFileSync(join(out, "broken.json"), "{");
      const files = await writeResult(out, result("a"), CONDITIONS);
      expect(files).to.deep.equal(["a_curve.svg", "a.md", "a.json", "index.html"]);
      expect(readdirSync(out).sort()).to.deep.equal(
        [...files, "b_curve.svg", "b.md", "b.json", "other.json", "broken.json"].sort(),
      );
      expect(JSON.parse(read("a.json"))).to.deep.include({
        name: "a",
        conditions: CONDITIONS,
        data: { exact: 4_028_291 },
        figures: [{ file: "a_curve.svg", caption: "A curve" }],
      });
      expect(read("a.md").split("\n")).to.include.members([
        "# Title of a",
        "|        |  paper |       ours |",
        "| ------ | -----: | ---------: |",
        "| a\\|b   | 4.03 M | 4.028291 M |",
        "![A curve](a_curve.svg)",
        "`masa reproduce a --out <out>`, GPU & co, 2026-11-23",
      ]);
      const page = read("index.html");
      expect(page.indexOf('<section id="a">')).to.be.above(0).and.below(page.indexOf('<section id="b">'));
      expect(page).to.include('<img src="a_curve.svg"').and.include("A &#60; B.").and.include("GPU &#38; co");
      expect(page).not.to.include("other").and.not.include("broken");
    }));

  it("replace those of the same name", () =>
    inFolder(async (folder) => {
      await writeResult(folder, result("a"), CONDITIONS);
      await writeResult(folder, { ...result("a"), title: "Again" }, CONDITIONS);
      const page = readFileSync(join(folder, "index.html"), "utf8");
      expect(page.match(/<section/g)).to.have.length(1);
      expect(page).to.include("<h2>Again</h2>");
    }));

  it("name the file that cannot be written", () =>
    inFolder(async (folder) => {
      mkdirSync(join(folder, "a.md"));
      await failure(() => writeResult(folder, result("a"), CONDITIONS), OutputError, /a\.md: it is a folder/);
    }));
});

describe("charts", () => {
  const series = [
    { name: "dense & slow", points: [[16, 1e3] as const, [32, 16e3] as const] },
    { name: "fine", points: [[16, 1e2] as const, [32, 4e2] as const] },
  ];

  /** The numbers of an attribute, in the order of the document. */
  const attribute = (svg: string, tag: string, name: string) =>
    [...svg.matchAll(new RegExp(`<${tag} [^>]*\\b${name}="([-\\d.]+)"`, "g"))].map(([, value]) => Number(value));

  it("show every point where its axes say", () => {
    const svg = lineChart({ x: { label: "side", scale: "log" }, y: { label: "count", scale: "log" }, series });
    expect(svg).to.match(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    const [y0, y1, y2, y3] = attribute(svg, "circle", "cy") as [number, number, number, number];
    const decade = (y0 - y1) / Math.log10(16);
    expect(y2 - y0, "a tenth").to.be.closeTo(decade, 1e-6);
    expect(y2 - y3, "four times").to.be.closeTo(decade * Math.log10(4), 1e-6);
    const [x0, x1, x2, x3] = attribute(svg, "circle", "cx") as [number, number, number, number];
    expect([x0, x1]).to.deep.equal([x2, x3]);
    expect(svg).to.include("dense &amp; slow");
  });

  it("begin at 0 where they should, and take names for an axis", () => {
    const points = [
      ["none", 10],
      ["sam", 20],
    ] as const;
    const draw = (scale?: "zero") =>
      lineChart({ x: { label: "" }, y: { label: "dB", ...(scale && { scale }) }, series: [{ name: "PSNR", points }] });
    const rise = (svg: string) => {
      const [low, high] = attribute(svg, "circle", "cy") as [number, number];
      return low - high;
    };
    expect(rise(draw())).to.be.closeTo(2 * rise(draw("zero")), 1e-6);
    expect(draw()).to.include(">none</text>").and.include(">sam</text>");
  });

  it("have bars as long as their numbers", () => {
    const svg = barChart({
      label: "10⁹",
      bars: [
        ["MASA", 367.93],
        ["SRNTT", 6005.78],
      ],
    });
    const [first, second] = attribute(svg, "rect", "width") as [number, number];
    expect(second / first).to.be.closeTo(6005.78 / 367.93, 1e-3);
    expect(svg).to.include(">367.93</text>");
  });
});
