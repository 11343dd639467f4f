/** docs/porting.md names every shader, and nothing that does not exist. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { GoldenSet } from "../../src/conformance/manifest.js";
import { COMMANDS, DOCUMENTS, ROOT, read } from "./documents.js";

const text = read("docs/porting.md");
const golden = GoldenSet.open(join(ROOT, "test/golden"));
const cases = golden.cases.map(({ part, name }) => `${part}/${name}`);
const isFilter = (filter: string) => cases.some((name) => name.includes(filter));

/** Shader, kernel file and check of each row of the table. */
const rows = [...text.matchAll(/^\| `(\w+)` .*\| `([\w/]+\.ts)` +\| (\S+) +\|$/gm)].map(
  ([, shader, kernel, check]) => ({
    shader: shader as string,
    kernel: kernel as string,
    check: check as string,
  }),
);

describe("the porting guide", () => {
  it("has every shader in its table, in order, beside the kernel that uses it", () => {
    const shaders = readdirSync(join(ROOT, "shaders")).map((name) => name.replace(".wgsl", ""));
    expect(rows.map(({ shader }) => shader)).to.deep.equal(shaders.sort());
    for (const { shader, kernel } of rows)
      expect(read(`src/kernels/${kernel}`), `${kernel} for ${shader}`).to.include(`"${shader}"`);
  });

  it("names golden cases that there are", () => {
    const named = [...text.matchAll(/`((?:ops|modules|net|train)\/[\w./]*)`/g)].map(([, name = ""]) => name);
    const filters = COMMANDS.filter(({ words }) => words.includes("conformance")).flatMap(({ words }) => {
      const at = words.indexOf("--filter");
      return at < 0 ? [] : [words[at + 1] as string];
    });
    expect(named.length).to.be.above(50);
    expect([...named, ...filters].filter((name) => !isFilter(name))).to.deep.equal([]);
  });

  it("names the layers of a dump as the golden cases do", () => {
    const order = /^order = """(.*?)"""/ms.exec(text)?.[1]?.split(/\s+/) ?? [];
    const entry = golden.cases.find(({ part, name }) => part === "net" && name === "single")!.entry;
    const layers = entry.entry("intermediates_summary").texts("names");
    const matching = entry.entry("matching").keys.filter((name) => !name.endsWith("_margin"));
    const unused = ["enc(ref_down)/L2", "enc(ref_down)/L3"];
    const all = ["lr", "ref", "ref_down", "out", ...layers, ...matching].filter((name) => !unused.includes(name));
    expect(order).to.have.members(all);
  });
});

describe("documents", () => {
  it("name files that there are", () => {
    const missing = DOCUMENTS.flatMap((document) => {
      const named = [...read(document).matchAll(/`((?:shaders|src|test|bench|scripts|docs|weights)\/[\w./-]*\w)`/g)];
      return named.flatMap(([, path = ""]) => (existsSync(join(ROOT, path)) ? [] : [`${document}: ${path}`]));
    });
    expect(missing.filter((path) => !/NAME/.test(path))).to.deep.equal([]);
  });

  it("link to files that there are", () => {
    const missing = DOCUMENTS.flatMap((document) =>
      [...read(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].flatMap(([, path = ""]) =>
        existsSync(join(ROOT, document, "..", path)) ? [] : [`${document}: ${path}`],
      ),
    );
    expect(missing).to.deep.equal([]);
  });
});
