/** Two pictures of one size on one another, with a divider between them; zoomed and moved together. */
import type { Image } from "../src/browser/index.js";
import { draw, element } from "./canvas.js";

const MOST = 32;
const STEP = 1.25;
/** Distance in CSS pixels at which a pointer takes the divider. */
const REACH = 24;
/** Distance in CSS pixels that an arrow key moves the pictures. */
const MOVE = 40;
/** From this scale on pixels are shown as squares. */
const SQUARES = 2;

interface Point {
  readonly x: number;
  readonly y: number;
}

export class Viewer {
  readonly #root = element("#viewer");
  readonly #before = element<HTMLCanvasElement>("#before");
  readonly #after = element<HTMLCanvasElement>("#after");
  readonly #split = element<HTMLInputElement>("#split");
  readonly #pointers = new Map<number, Point>();
  #dragsDivider = false;
  /** CSS pixels per pixel of the pictures, and where their corner is. */
  #scale = 1;
  #x = 0;
  #y = 0;

  constructor() {
    this.#split.addEventListener("input", () => this.#place());
    element("#zoom-in").addEventListener("click", () => this.#zoom(STEP));
    element("#zoom-out").addEventListener("click", () => this.#zoom(1 / STEP));
    element("#fit").addEventListener("click", () => this.fit());
    element("#actual").addEventListener("click", () => this.#zoom(1 / devicePixelRatio / this.#scale));
    this.#root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.#root.addEventListener("keydown", (event) => this.#key(event));
    this.#root.addEventListener("dblclick", (event) => this.#zoom(2, this.#inside(event)));
    this.#root.addEventListener("pointerdown", (event) => this.#down(event));
    this.#root.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"] as const)
      this.#root.addEventListener(end, (event) => this.#pointers.delete(event.pointerId));
    new ResizeObserver(() => this.fit()).observe(this.#root);
  }

  /** Shows both from now on, fitted. */
  show(before: Image, name: string, after: Image): void {
    draw(this.#after, after);
    this.#root.classList.toggle("alpha", after.channels % 2 === 0);
    this.compare(before, name);
    this.fit();
  }

  /** Puts another picture in the place of the left one. */
  compare(before: Image, name: string): void {
    draw(this.#before, before);
    element("#before-name").textContent = name;
    this.#split.setAttribute("aria-label", `Divider between ${name}, left, and MASA, right`);
    this.#place();
  }

  /** The pictures as large as the viewer holds them whole. */
  fit(): void {
    const { clientWidth, clientHeight } = this.#root;
    if (clientWidth === 0) return;
    this.#scale = this.#fitted();
    this.#x = (clientWidth - this.#scale * this.#after.width) / 2;
    this.#y = (clientHeight - this.#scale * this.#after.height) / 2;
    this.#place();
  }

  #fitted(): number {
    const { clientWidth, clientHeight } = this.#root;
    return Math.min(clientWidth / this.#after.width, clientHeight / this.#after.height);
  }

  /** Scales by `factor` around a point of the viewer, by default its middle. */
  #zoom(factor: number, around: Point = { x: this.#root.clientWidth / 2, y: this.#root.clientHeight / 2 }): void {
    const least = Math.min(this.#fitted(), 1 / devicePixelRatio);
    const scale = Math.min(MOST, Math.max(least, factor * this.#scale));
    this.#x = around.x - ((around.x - this.#x) * scale) / this.#scale;
    this.#y = around.y - ((around.y - this.#y) * scale) / this.#scale;
    this.#scale = scale;
    this.#place();
  }

  /** Some of the pictures stays in sight. */
  #place(): void {
    const { clientWidth, clientHeight } = this.#root;
    const [width, height] = [this.#scale * this.#after.width, this.#scale * this.#after.height];
    const within = (at: number, size: number, room: number) =>
      size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at));
    this.#x = within(this.#x, width, clientWidth);
    this.#y = within(this.#y, height, clientHeight);
    const divider = this.#divider();
    for (const canvas of [this.#before, this.#after])
      canvas.style.transform = `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    const cut = Math.max(0, (divider - this.#x) / this.#scale);
    this.#before.style.clipPath = `inset(0 ${Math.max(0, this.#before.width - cut)}px 0 0)`;
    // What is transparent on the left must not show what is on the right.
    this.#after.style.clipPath = `inset(0 0 0 ${cut}px)`;
    element(".divider", this.#root).style.left = `${divider}px`;
    this.#root.classList.toggle("pixels", this.#scale * devicePixelRatio >= SQUARES);
    this.#root.classList.toggle("zoomed", this.#isZoomed());
    element("#zoom").textContent = `${Math.round(100 * this.#scale * devicePixelRatio)} %`;
  }

  #isZoomed(): boolean {
    return this.#scale > 1.001 * this.#fitted();
  }

  #divider(): number {
    return (Number(this.#split.value) / 100) * this.#root.clientWidth;
  }

  #inside({ clientX, clientY }: MouseEvent): Point {
    const { left, top } = this.#root.getBoundingClientRect();
    return { x: clientX - left - this.#root.clientLeft, y: clientY - top - this.#root.clientTop };
  }

  #wheel(event: WheelEvent): void {
    // A wheel alone scrolls the page.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#zoom(Math.exp(-event.deltaY / 200), this.#inside(event));
  }

  #key(event: KeyboardEvent): void {
    const [dx, dy] = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [
      0, 0,
    ];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.#zoom(STEP);
    else if (event.key === "-") this.#zoom(1 / STEP);
    else if (event.key === "0") this.fit();
    else if (dx || dy) this.#shift(MOVE * (dx as number), MOVE * (dy as number));
    else return;
    event.preventDefault();
  }

  #shift(dx: number, dy: number): void {
    this.#x += dx;
    this.#y += dy;
    this.#place();
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0) return;
    const point = this.#inside(event);
    this.#root.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, point);
    this.#dragsDivider = !this.#isZoomed() || Math.abs(point.x - this.#divider()) < REACH;
  }

  #move(event: PointerEvent): void {
    const last = this.#pointers.get(event.pointerId);
    if (!last) return;
    const point = this.#inside(event);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, point);
    if (other) {
      const distance = (a: Point) => Math.hypot(a.x - other.x, a.y - other.y);
      this.#zoom(distance(point) / Math.max(1, distance(last)), {
        x: (point.x + other.x) / 2,
        y: (point.y + other.y) / 2,
      });
    } else if (this.#dragsDivider) {
      this.#split.value = String((100 * point.x) / this.#root.clientWidth);
      this.#place();
    } else this.#shift(point.x - last.x, point.y - last.y);
  }
}
