/** Charts as SVG text: Observable Plot on a document that needs no browser. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

export interface Axis {
  readonly label: string;
  /** `log`, or from 0 on; else the range of the values. */
  readonly scale?: "log" | "zero";
}

export interface Series {
  readonly name: string;
  /** On an axis of names x is one of them, in their order. */
  readonly points: readonly (readonly [x: number | string, y: number])[];
}

export interface LineChart {
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Whether lines join the points; default true. */
  readonly lines?: boolean;
}

export interface BarChart {
  readonly label: string;
  readonly bars: readonly (readonly [name: string, value: number])[];
}

const WIDTH = 720;
const LINES_HEIGHT = 380;
const BAR_HEIGHT = 34;
const TEXT_LINE = 16;
const LETTER = 7;
/** Numbers that an axis names one by one. */
const MOST_TICKS = 20;
/** Okabe and Ito (2008): told apart by colour-blind people too. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const STYLE = { background: "white", color: "#222", fontSize: "12px" };

/** A mark at every point; the names of the series stand at the right in their colours. */
export function lineChart({ x, y, series, lines = true }: LineChart): string {
  const rows = series.flatMap(({ name, points }) => points.map(([px, py]) => ({ name, x: px, y: py })));
  const ticks = [...new Set(rows.map((row) => row.x))];
  const named = ticks.some((tick) => typeof tick === "string");
  const names = series.map(({ name }) => name);
  const colour = (i: number) => COLOURS[i % COLOURS.length] as string;
  const marked = ticks.length <= MOST_TICKS ? { ticks, tickFormat: String } : {};
  const xScale = named ? { type: "point", domain: ticks } : { type: x.scale ?? "linear", ...marked };
  return svgOf({
    ...{ width: WIDTH, height: LINES_HEIGHT, marginLeft: 64, marginTop: 28, marginBottom: 42, grid: true },
    marginRight: 24 + widest(names),
    color: { domain: names, range: names.map((_, i) => colour(i)) },
    x: { label: x.label, ...(xScale as Plot.ScaleOptions) },
    y: { label: y.label, tickFormat: rows.some((row) => row.y >= 1000) ? "~s" : "~g", ...scaleOf(y) },
    marks: [
      ...(lines ? [Plot.line(rows, { x: "x", y: "y", z: "name", stroke: "name" })] : []),
      Plot.dot(rows, { x: "x", y: "y", fill: "name", r: lines ? 3 : 5 }),
      ...names.map((name, i) =>
        Plot.text([name], {
          frameAnchor: "top-right",
          textAnchor: "start",
          dx: 14,
          dy: TEXT_LINE * i,
          fill: colour(i),
        }),
      ),
    ],
  });
}

/** A bar for each value, with its number. */
export function barChart({ label, bars }: BarChart): string {
  const names = bars.map(([name]) => name);
  return svgOf({
    ...{
      width: WIDTH,
      height: 70 + BAR_HEIGHT * bars.length,
      marginBottom: 42,
      marginLeft: 16 + widest(names),
      marginRight: 60,
    },
    x: { label, grid: true },
    y: { label: null, domain: names },
    marks: [
      Plot.barX(bars, { x: "1", y: "0", fill: COLOURS[0] as string }),
      Plot.text(bars, { x: "1", y: "0", text: ([, value]) => String(value), textAnchor: "start", dx: 5 }),
    ],
  });
}

function scaleOf({ scale }: Axis): Plot.ScaleOptions {
  if (scale === "log") return { type: "log" };
  return { type: "linear", nice: true, zero: scale === "zero" };
}

function widest(names: readonly string[]): number {
  return LETTER * Math.max(...names.map(({ length }) => length));
}

function svgOf(options: Plot.PlotOptions): string {
  // Its types are those of a browser, which this project does not load.
  const { document } = parseHTML("<html></html>") as unknown as { readonly document: NonNullable<unknown> };
  const svg = Plot.plot({ document, style: STYLE, ...options } as Plot.PlotOptions);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${svg.outerHTML}\n`;
}
