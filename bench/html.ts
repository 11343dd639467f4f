/** A run as one HTML file: the table, and the cases under the roofline. */
import { COLUMNS, figures, heading, type Report, rows } from "./report.js";
import { ROOFLINE, type Roofline } from "./roofline.js";

const STYLE = `
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; }
table { border-collapse: collapse; margin-top: 1.5rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.7rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2), th:last-child, td:last-child { text-align: left; }
svg { max-width: 60rem; width: 100%; } text { font-size: 11px; fill: #444; }
.grid { stroke: #e4e4e4; } .roof { stroke: #222; stroke-width: 2; fill: none; } circle { fill: #2563eb; }
`;

export function renderHtml(report: Report): string {
  const cells = (texts: readonly string[], tag: string) =>
    texts.map((text) => `<${tag}>${escaped(text)}</${tag}>`).join("");
  const body = rows(report).map((row, i) => {
    const [name, ...rest] = row as [string, ...string[]];
    const failed = rest.length < COLUMNS.length - 1;
    const others = failed ? `<td colspan="${COLUMNS.length - 1}">${escaped(rest.join())}</td>` : cells(rest, "td");
    return `<tr><td>${i + 1}</td><td>${escaped(name)}</td>${others}</tr>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>masa-webgpu bench</title>
<style>${STYLE}</style>
<h1>masa-webgpu bench</h1>
<p>${escaped(heading(report))}</p>
${report.roofline ? plot(report, report.roofline) : ""}
<table>
<tr><th>#</th>${cells(COLUMNS, "th")}</tr>
${body.join("\n")}
</table>
</html>
`;
}

const WIDTH = 900;
const HEIGHT = 480;
const MARGIN = { left: 60, right: 20, top: 20, bottom: 45 };

/** Arithmetic intensity against speed, both logarithmic; the numbers are those of the table's rows. */
function plot(report: Report, { flopsPerSecond, bytesPerSecond }: Roofline): string {
  const points = report.results.flatMap((result, i) => {
    if (result.failure !== undefined || result.flops === 0 || result.name.startsWith(ROOFLINE)) return [];
    const { gflops } = figures(result, report.roofline);
    return [{ number: i + 1, name: result.name, intensity: result.flops / result.bytes, gflops }];
  });
  const peak = flopsPerSecond / 1e9;
  const ridge = flopsPerSecond / bytesPerSecond;
  const x = logScale([ridge, ...points.map(({ intensity }) => intensity)], MARGIN.left, WIDTH - MARGIN.right);
  const y = logScale([peak, ...points.map(({ gflops }) => gflops)], HEIGHT - MARGIN.bottom, MARGIN.top);
  const bandwidth = bytesPerSecond / 1e9;
  // The slope enters at the left edge, or at the lower one where that comes first.
  const first = Math.max(x.low, y.low / bandwidth);
  const corners = [
    [first, first * bandwidth],
    [ridge, peak],
    [x.high, peak],
  ] as const;
  const roof = corners.map(([intensity, gflops]) => `${x.at(intensity)},${y.at(gflops)}`).join(" ");
  const vertical = x.decades.map(
    (value) =>
      `<line class="grid" x1="${x.at(value)}" x2="${x.at(value)}" y1="${MARGIN.top}" y2="${HEIGHT - MARGIN.bottom}"/>` +
      `<text x="${x.at(value)}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${value}</text>`,
  );
  const horizontal = y.decades.map(
    (value) =>
      `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y.at(value)}" y2="${y.at(value)}"/>` +
      `<text x="${MARGIN.left - 6}" y="${y.at(value)}" text-anchor="end" dominant-baseline="middle">${value}</text>`,
  );
  const marks = points.map(({ number, name, intensity, gflops }) => {
    const [cx, cy] = [x.at(intensity), y.at(gflops)];
    const title = `<title>${escaped(`${name}: ${gflops.toPrecision(3)} GFLOP/s`)}</title>`;
    return `<circle cx="${cx}" cy="${cy}" r="4">${title}</circle><text x="${cx + 6}" y="${cy - 4}">${number}</text>`;
  });
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Roofline plot">
${[...vertical, ...horizontal].join("\n")}
<polyline class="roof" points="${roof}"/>
${marks.join("\n")}
<text x="${WIDTH / 2}" y="${HEIGHT - 8}" text-anchor="middle">FLOP per byte that has to be moved</text>
<text x="14" y="${HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 ${HEIGHT / 2})">GFLOP/s</text>
</svg>`;
}

/** Whole decades around `values`, spread between two positions. */
function logScale(values: readonly number[], from: number, to: number) {
  const first = Math.floor(Math.log10(Math.min(...values)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values)) + 0.05));
  return {
    ...{ low: 10 ** first, high: 10 ** last },
    decades: Array.from({ length: last - first + 1 }, (_, i) => Number((10 ** (first + i)).toPrecision(1))),
    at: (value: number) => Math.round(10 * (from + ((Math.log10(value) - first) / (last - first)) * (to - from))) / 10,
  };
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
