import { expect } from "chai";
import { cellText, decodeText, formatCsv, parseCsv, parseRecords, textCell } from "../../src/data/csv.js";
import { DataError } from "../../src/data/errors.js";
import { caseBytes } from "../cases.js";

const records = (text: string) => parseRecords(text, "a.csv", ["lr", "ref"]).map(({ record }) => record);
const AB = { lr: "a.png", ref: "r.png" };

describe("tables", () => {
  it("have commas, semicolons or tabs between columns, with any end of line", () => {
    for (const delimiter of [",", ";", "\t"])
      for (const newline of ["\n", "\r\n", "\r"])
        for (const end of ["", newline, newline + newline + delimiter + newline]) {
          const text = `lr${delimiter}ref${newline}a.png${delimiter}r.png${end}`;
          expect(records(text), JSON.stringify(text)).to.deep.equal([AB]);
        }
    expect(records('"lr";"ref"\n"a.png";"r;s.png"')).to.deep.equal([{ lr: "a.png", ref: "r;s.png" }]);
    expect(records(" lr , ref\na.png,r.png")).to.deep.equal([AB]);
  });

  it("give the line where a row begins", () => {
    const rows = parseCsv('a\n"b\nc"\n\n"d""e",f\n', "a.csv");
    expect(rows).to.deep.equal([
      { line: 1, fields: ["a"] },
      { line: 2, fields: ["b\nc"] },
      { line: 5, fields: ['d"e', "f"] },
    ]);
  });

  it("are refused where quotes do not match", () => {
    for (const text of ['a\n"b"c,d', 'a\n"b'])
      expect(() => parseCsv(text, "a.csv")).to.throw(DataError, "a.csv line 2 has a quote where none may be");
  });

  it("may have a field of 20 MB", () => {
    const long = `"${"x".repeat(2e7)}"`;
    expect(parseCsv(`a,b\n${long},c`, "a.csv")[1]?.fields[0]).to.have.length(2e7);
    expect(() => parseCsv(`a,b\n${long}x,c`, "a.csv")).to.throw(DataError, "line 2");
  });

  it("lose a torn last row where that is asked for", () => {
    const torn = (text: string) => parseCsv(text, "a.csv", { own: true }).map(({ fields }) => fields);
    expect(torn("a,b\nc,d\ne")).to.deep.equal([
      ["a", "b"],
      ["c", "d"],
    ]);
    expect(torn('a,b\nc,"d\ne')).to.deep.equal([["a", "b"]]);
  });

  it("are written so that they are read as they were", () => {
    const fields = ["a", "b,c", 'd"e', "f\ng", "h\r\ni", "", " j ", "k;l", "ü像"];
    expect(parseCsv(`${formatCsv(fields)}\n`, "a.csv", { own: true })[0]?.fields).to.deep.equal(fields);
  });

  it("have no cell that a spreadsheet computes, and give the text back", () => {
    for (const text of ["=1+1", "+a", "-b", "@c", "\td", "'=e", "''-f", "'g", "h", ""]) {
      expect(textCell(text)).to.match(/^($|[^=+\-@\t])/);
      expect(cellText(textCell(text))).to.equal(text);
    }
    expect(textCell("=1+1")).to.equal("'=1+1");
    expect(textCell("'g")).to.equal("'g");
  });

  it("of spreadsheets are read, and Latin-1 is named", () => {
    const read = (name: string) => records(decodeText(caseBytes(name), name));
    expect(read("excel_list.csv")).to.deep.equal([{ lr: "lr.png", ref: "ref.png", hr: "", out: "o11.png" }]);
    expect(read("lists/excel_de.csv")).to.deep.equal([AB]);
    expect(read("lists/cr.csv")).to.deep.equal([AB]);
    expect(() => read("lists/latin1.csv")).to.throw(
      DataError,
      /latin1\.csv line 2 has a character that is not UTF-8\. Save the list as UTF-8; in Excel, as 'CSV UTF-8'/,
    );
    const utf16 = Buffer.from("\ufefflr;ref\r\na.png;r.png\r\n", "utf16le");
    expect(records(decodeText(utf16, "u.csv"))).to.deep.equal([AB]);
    expect(records(decodeText(Buffer.from(utf16).swap16(), "u.csv"))).to.deep.equal([AB]);
  });
});
