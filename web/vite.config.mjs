/** The page: `npm run web` serves it while one works on it, `npm run web:build` makes a folder that works from any path. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { shadersModule } from "../scripts/shaders.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What the package's build makes of src: the shaders as a module, and dist/src one folder further from the weights. */
const asBuilt = () => ({
  name: "as-built",
  enforce: "pre",
  resolveId: (id, importer) => (id === "./shaders.js" && importer?.includes("/src/browser/") ? "\0shaders" : undefined),
  load: (id) => (id === "\0shaders" ? shadersModule(ROOT) : undefined),
  transform: (code, id) =>
    id.endsWith("/src/browser/weights.ts") ? code.replace("../../../weights/", "../../weights/") : undefined,
});

/**
 * Writes the service worker beside the built page, with the names of all its files. It stores them when it is installed and
 * from then on serves them from there; another build has another version, which replaces the stored one.
 */
const offline = () => {
  let folder;
  return {
    name: "offline",
    apply: "build",
    configResolved: ({ root, build }) => {
      folder = join(root, build.outDir);
    },
    closeBundle: () => {
      const files = readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== "sw.js")
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
        .sort();
      const hash = createHash("sha256");
      for (const file of files) hash.update(file.slice(folder.length)).update(readFileSync(file));
      const names = files.map((file) => relative(folder, file).split(sep).join("/"));
      const text = readFileSync(new URL("service_worker.js", import.meta.url), "utf8")
        .replace('"VERSION"', JSON.stringify(hash.digest("hex").slice(0, 16)))
        .replace('["FILES"]', JSON.stringify(["./", ...names]));
      writeFileSync(join(folder, "sw.js"), text);
    },
  };
};

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  plugins: [asBuilt(), offline()],
  worker: { format: "es", plugins: () => [asBuilt()] },
  server: { fs: { allow: [ROOT] } },
  build: { target: "es2022", outDir: "dist", assetsInlineLimit: 0, chunkSizeWarningLimit: 1000 },
});
