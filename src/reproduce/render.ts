/** Results as Markdown and as one page of HTML. */
import type { Conditions, Table, Written } from "./result.js";

export function renderMarkdown({ title, text, tables, figures, conditions }: Written): string {
  const parts = [
    `# ${inMarkdown(title)}`,
    ...text.map(inMarkdown),
    ...tables.map(markdownTable),
    ...figures.map(({ file, caption }) => `![${inMarkdown(caption)}](${encodeURI(file)})\n\n${inMarkdown(caption)}`),
    `\`${conditions.command.replace(/\s+/g, " ").replaceAll("`", "'")}\`, ${inMarkdown(measured(conditions))}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

/** Text that may hold a file's name: one line, and no HTML. */
function inMarkdown(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("<", "&lt;");
}

/** With columns of equal width, as people write tables. The first column is text, the others are numbers. */
function markdownTable({ title, columns, rows }: Table): string {
  const all = [columns, ...rows].map((row) => row.map((cell) => inMarkdown(cell).replaceAll("|", "\\|")));
  const widths = columns.map((_, i) => Math.max(3, ...all.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]) =>
    `| ${widths.map((width, i) => (i === 0 ? (row[i] ?? "").padEnd(width) : (row[i] ?? "").padStart(width))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [`**${inMarkdown(title)}**`, "", line(all[0] as string[]), rule, ...all.slice(1).map(line)].join("\n");
}

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.3rem; }
th, td { padding: 0.2rem 0.8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; } img { max-width: 100%; } figcaption, footer { color: #555; font-size: 0.9rem; }
section { border-top: 1px solid #ccc; margin-top: 2.5rem; }
`;

export function renderIndex(results: readonly Written[]): string {
  const contents = results.map(({ name, title }) => `<li><a href="#${escaped(name)}">${escaped(title)}</a></li>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>MASA-SR: the paper's comparisons</title>
<style>${STYLE}</style>
<h1>MASA-SR: the paper's comparisons</h1>
<ul>
${contents.join("\n")}
</ul>
${results.map(section).join("\n")}
</html>
`;
}

function section({ name, title, text, tables, figures, conditions }: Written): string {
  const paragraphs = text.map((paragraph) => `<p>${escaped(paragraph)}</p>`);
  const images = figures.map(
    ({ file, caption }) =>
      `<figure><img src="${escaped(file)}" alt="${escaped(caption)}"><figcaption>${escaped(caption)}</figcaption></figure>`,
  );
  return `<section id="${escaped(name)}">
<h2>${escaped(title)}</h2>
${[...paragraphs, ...tables.map(htmlTable), ...images].join("\n")}
<footer><code>${escaped(conditions.command)}</code>, ${escaped(measured(conditions))}
(<a href="${escaped(name)}.json">${escaped(name)}.json</a>)</footer>
</section>`;
}

function htmlTable({ title, columns, rows }: Table): string {
  const cells = (row: readonly string[], tag: string) =>
    row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("");
  const body = rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n");
  return `<table><caption>${escaped(title)}</caption>\n<tr>${cells(columns, "th")}</tr>\n${body}\n</table>`;
}

function measured({ adapter, date }: Conditions): string {
  return `${adapter}, ${date}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
