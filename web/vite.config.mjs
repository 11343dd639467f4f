/** The page: `npm run web` serves it while one works on it, `npm run web:build` makes a folder that works from any path. */
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

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  plugins: [asBuilt()],
  worker: { format: "es", plugins: () => [asBuilt()] },
  server: { fs: { allow: [ROOT] } },
  build: { target: "es2022", outDir: "dist", assetsInlineLimit: 0, chunkSizeWarningLimit: 1000 },
});
