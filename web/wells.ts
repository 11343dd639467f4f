/** A place for image files: chosen, or dropped; each is decoded, shown small, and can be taken away. */
import type { Image } from "../src/browser/index.js";
import { draw, element } from "./canvas.js";

export interface Picture {
  readonly name: string;
  readonly image: Image;
}

export interface Well {
  readonly pictures: readonly Picture[];
  /** Whether files are being read, which will be pictures soon. */
  readonly isReading: boolean;
  /** Whether the pictures are an example's, which the user's own replace. */
  readonly isExample: boolean;
  /** Replaces what is there, by an example's pictures or by none. */
  set(pictures: readonly Picture[]): void;
  /** Reads files that the user has given in another way. */
  take(files: readonly File[]): Promise<void>;
}

interface WellOptions {
  readonly read: (file: File) => Promise<Image>;
  /** Called when there are other pictures than before, or when reading begins or ends. */
  readonly onChange: () => void;
  /** Called when the user has added pictures. */
  readonly onAdd?: () => void;
}

/** The well in the element of this id; it takes several files where its input does. */
export function well(id: string, { read, onChange, onAdd = () => {} }: WellOptions): Well {
  const root = element(`#${id}`);
  const input = element<HTMLInputElement>("input", root);
  const problem = element(".well-problem", root);
  let pictures: readonly Picture[] = [];
  let isExample = false;
  /** Names of the files that are being read. */
  const reading: string[] = [];

  const set = (next: readonly Picture[]) => {
    pictures = input.multiple ? next : next.slice(-1);
    show();
  };
  const show = () => {
    element("ul", root).replaceChildren(...pictures.map(item), ...reading.map(placeholder));
    onChange();
  };
  const placeholder = (name: string) => {
    const line = document.createElement("li");
    line.textContent = `Reading ${name} …`;
    return line;
  };
  const item = (picture: Picture) => {
    const { name, image } = picture;
    const line = document.createElement("li");
    const canvas = document.createElement("canvas");
    canvas.className = "thumb";
    draw(canvas, image);
    const text = document.createElement("span");
    text.textContent = `${name}, ${image.width}×${image.height}${image.bitDepth === 16 ? ", 16 bits" : ""}`;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "Remove";
    remove.setAttribute("aria-label", `Remove ${name}`);
    remove.addEventListener("click", () => {
      set(pictures.filter((other) => other !== picture));
      input.focus();
    });
    line.append(canvas, text, remove);
    return line;
  };
  const take = async (files: readonly File[]) => {
    problem.hidden = true;
    const found: Picture[] = [];
    const faults: string[] = [];
    reading.push(...files.map(({ name }) => name));
    show();
    for (const file of files) {
      try {
        found.push({ name: file.name, image: await read(file) });
      } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error));
      }
    }
    for (const { name } of files) reading.splice(reading.indexOf(name), 1);
    if (found.length > 0) {
      const next = input.multiple && !isExample ? [...pictures, ...found] : found;
      isExample = false;
      set(next);
      onAdd();
    } else show();
    problem.textContent = faults.join(" ");
    problem.hidden = faults.length === 0;
  };

  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    // The same file can then be chosen again.
    input.value = "";
    void take(files);
  });
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("over");
  });
  root.addEventListener("dragleave", () => root.classList.remove("over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("over");
    void take([...(event.dataTransfer?.files ?? [])]);
  });
  return {
    get pictures() {
      return pictures;
    },
    get isReading() {
      return reading.length > 0;
    },
    get isExample() {
      return isExample;
    },
    set(next) {
      problem.hidden = true;
      isExample = next.length > 0;
      set(next);
    },
    take,
  };
}
