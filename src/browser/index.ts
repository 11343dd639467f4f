/**
 * The public surface of masa-webgpu/browser: what the package's own has but for training and files, on the browser's WebGPU,
 * in a page or a worker.
 */

export * from "../engine.js";
export { browserPlatform, openDevice } from "./device.js";
export { type ImageFileType, imageFile, pngFile, readImage } from "./images.js";
export { loadMasa, SHIPPED_WEIGHTS } from "./weights.js";
