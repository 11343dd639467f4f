/** Enlarges a picture in the browser. In a project that has the packages masa-webgpu and vite: npx vite */
import { loadMasa, openDevice, pngFile, readImage, upscale } from "masa-webgpu/browser";

const form = document.querySelector<HTMLFormElement>("#pictures")!;
const status = document.querySelector("#status")!;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const files = new FormData(form);
  try {
    const device = await openDevice();
    const masa = await loadMasa(device); // or: loadMasa(device, file), of PyTorch or safetensors
    const lr = await readImage(files.get("lr") as File);
    const refs = await Promise.all(files.getAll("ref").map((file) => readImage(file as File)));
    const { image, similarity } = await upscale(
      device,
      masa,
      { lr, refs },
      {
        onProgress: ({ stage, share }) => (status.textContent = `${stage}, ${Math.round(100 * share)} %`),
      },
    );
    document.querySelector<HTMLImageElement>("#result")!.src = URL.createObjectURL(pngFile(image));
    status.textContent = `${image.width}×${image.height}, similarity ${similarity.toFixed(3)}, on ${device.info.name}`;
    device.dispose();
  } catch (error) {
    status.textContent = String(error); // says what is wrong, and what to do
  }
});
