/** Which block of the picture was found where in the reference. */
import { blockMatch, enlargedLr, type Image, type Match } from "../src/browser/index.js";
import { draw, element } from "./canvas.js";
import type { MatchPictures, Outcome } from "./engine.js";

const SVG = "http://www.w3.org/2000/svg";

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export class MatchView {
  readonly #blocks = element("#blocks");
  readonly #reference = element("#reference");
  readonly #layer = element<HTMLSelectElement>("#layer");
  readonly #paint: (match: Match) => Promise<MatchPictures>;
  #outcome: Outcome | undefined;
  #pictures: Promise<MatchPictures> | undefined;
  #row = 0;
  #column = 0;

  /** `paint` makes the coloured pictures when they are first wanted. */
  constructor(paint: (match: Match) => Promise<MatchPictures>) {
    this.#paint = paint;
    this.#layer.addEventListener("change", () => void this.#showLayer());
    this.#blocks.addEventListener("pointermove", (event) => this.#point(event));
    this.#blocks.addEventListener("pointerdown", (event) => this.#point(event));
    this.#blocks.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Shows the matches of a run from now on, at first those of the block in the middle. */
  async show(outcome: Outcome): Promise<void> {
    this.#outcome = outcome;
    this.#pictures = undefined;
    const [rows, columns] = outcome.match.geometry.blocks;
    await this.#showLayer();
    this.#choose(Math.floor(rows / 2), Math.floor(columns / 2));
  }

  async #showLayer(): Promise<void> {
    const outcome = this.#outcome;
    if (!outcome) return;
    const { match, matched } = outcome;
    const layer = this.#layer.value;
    const painted = () => {
      this.#pictures ??= this.#paint(match);
      return this.#pictures;
    };
    const plain = [enlargedLr(match), match.pair.ref] as const;
    const [left, right]: readonly [Image, Image] =
      layer === "places"
        ? [(await painted()).blocks, (await painted()).reference]
        : layer === "similarity"
          ? [(await painted()).similarity, plain[1]]
          : layer === "matched"
            ? [matched, plain[1]]
            : plain;
    draw(element<HTMLCanvasElement>("canvas", this.#blocks), left);
    draw(element<HTMLCanvasElement>("canvas", this.#reference), right);
  }

  #point(event: PointerEvent): void {
    const { match } = this.#outcome ?? {};
    if (!match) return;
    const { left, top, width } = this.#blocks.getBoundingClientRect();
    const { block, blocks, lr } = match.geometry;
    // The panel is as wide as the result, which has four pixels for one of LR, without its padding.
    const scale = match.pair.window.width / width;
    const at = (position: number, offset: number, axis: 0 | 1) =>
      Math.floor(Math.min(lr[axis] - 1, Math.max(0, scale * position + offset)) / block[axis]);
    const row = Math.min(blocks[0] - 1, at(event.clientY - top, match.pair.window.top, 0));
    const column = Math.min(blocks[1] - 1, at(event.clientX - left, match.pair.window.left, 1));
    if (row !== this.#row || column !== this.#column) this.#choose(row, column);
  }

  #key(event: KeyboardEvent): void {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !this.#outcome) return;
    event.preventDefault();
    const [rows, columns] = this.#outcome.match.geometry.blocks;
    const within = (place: number, count: number) => Math.min(count - 1, Math.max(0, place));
    this.#choose(within(this.#row + (step[0] as number), rows), within(this.#column + (step[1] as number), columns));
  }

  #choose(row: number, column: number): void {
    const { match } = this.#outcome as Outcome;
    [this.#row, this.#column] = [row, column];
    const { block, window, found, similarity } = blockMatch(match, row, column);
    const { ref, window: shown } = match.pair;
    mark(this.#blocks, 4 * shown.width, 4 * shown.height, rectangle(block));
    const [x, y] = found;
    const centred = { left: x - block.width / 2, top: y - block.height / 2, width: block.width, height: block.height };
    mark(this.#reference, ref.width, ref.height, rectangle(centred), rectangle(window, "6 4"));
    element("#match-text").textContent =
      `Block ${row + 1}, ${column + 1} of ${match.geometry.blocks.join("×")}: found around pixel (${Math.round(x)}, ` +
      `${Math.round(y)}) of the reference; mean similarity of its pixels' matches ${similarity.toFixed(3)}, 1 being the most.`;
  }
}

/** Replaces what is drawn over a panel whose picture has this size. */
function mark(panel: HTMLElement, width: number, height: number, ...shapes: readonly SVGElement[]): void {
  const svg = element<SVGElement>("svg", panel);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...shapes);
}

function rectangle({ left, top, width, height }: Box, dashes = ""): SVGElement {
  const rect = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ x: left, y: top, width, height }))
    rect.setAttribute(name, String(value));
  if (dashes) rect.setAttribute("stroke-dasharray", dashes);
  return rect;
}
