/** A web page that compares pictures with a slider: one file that needs nothing else, no server and no connection. */
import type { Image } from "../image/image.js";
import { encodePng } from "./png.js";
import type { Panel } from "./sheet.js";

/** Escapes text for HTML, inside elements and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * The page as HTML. `after` is compared with one of `before`, which the reader chooses; all have one size. `note` is a line
 * of text below the title.
 */
export function comparisonPage(title: string, note: string, before: readonly Panel[], after: Panel): string {
  const { width, height } = after.image;
  const options = before.map(({ caption }, i) => `<option value="${i}">${escapeHtml(caption)}</option>`);
  const pictures = before.map(
    ({ image, caption }, i) =>
      `<img class="before" ${i > 0 ? "hidden " : ""}alt="${escapeHtml(caption)}" src="${dataUrl(image)}">`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>
body { margin: 1rem auto; max-width: 80rem; padding: 0 1rem; font-family: system-ui, sans-serif; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
#box { position: relative; overflow: auto; max-height: 80vh; }
#pictures { position: relative; width: 100%; aspect-ratio: ${width} / ${height}; }
#pictures img { position: absolute; inset: 0; width: 100%; height: 100%; }
#pictures .before { clip-path: inset(0 calc(100% - var(--at, 50%)) 0 0); }
#line { position: absolute; top: 0; bottom: 0; left: var(--at, 50%); width: 2px; background: #fff; box-shadow: 0 0 0 1px #000; }
#pictures.actual { width: ${width}px; image-rendering: pixelated; }
input[type="range"] { width: 100%; }
</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(note)}</p>
<p>
<label>Left of the line: <select id="choice">${options.join("")}</select></label>
Right: ${escapeHtml(after.caption)}.
<label><input id="actual" type="checkbox"> one pixel per pixel</label>
</p>
<input id="split" type="range" min="0" max="100" step="0.1" value="50" aria-label="Position of the line">
<div id="box"><div id="pictures">
<img alt="${escapeHtml(after.caption)}" src="${dataUrl(after.image)}">
${pictures.join("\n")}
<div id="line"></div>
</div></div>
<script>
const pictures = document.getElementById("pictures");
const split = document.getElementById("split");
const place = () => pictures.style.setProperty("--at", split.value + "%");
split.addEventListener("input", place);
pictures.addEventListener("pointermove", (event) => {
  if (event.pointerType === "mouse" && event.buttons === 0) return;
  const { left, width } = pictures.getBoundingClientRect();
  split.value = String((100 * (event.clientX - left)) / width);
  place();
});
pictures.addEventListener("dragstart", (event) => event.preventDefault());
document.getElementById("choice").addEventListener("change", (event) => {
  for (const [i, picture] of [...document.querySelectorAll(".before")].entries())
    picture.hidden = i !== Number(event.target.value);
});
document.getElementById("actual").addEventListener("change", (event) =>
  pictures.classList.toggle("actual", event.target.checked));
</script>
</body>
</html>
`;
}

function dataUrl(image: Image): string {
  return `data:image/png;base64,${Buffer.from(encodePng(image)).toString("base64")}`;
}
