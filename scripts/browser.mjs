/** The browser that the page is tested in. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** WebGPU in software, which is there on every machine; and a browser that calls nobody by itself. */
export const BROWSER_FLAGS = [
  ...["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"],
  ...["--no-first-run", "--no-sandbox"],
];

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];
const ELSEWHERE = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:/Program Files/Google/Chrome/Application/chrome.exe",
  "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
];

/** The path of a Chromium or one of its kin: that of the environment variable `CHROME`, else one that is installed; or undefined. */
export function findBrowser(env = process.env) {
  if (env.CHROME) return env.CHROME;
  const folders = (env.PATH ?? "").split(delimiter).filter(Boolean);
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...paths, ...ELSEWHERE].find(isProgram);
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
